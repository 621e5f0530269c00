"""A certificate authority for tests: makes certificates as files, for servers and for clients, good or bad ones."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
LONG = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, as bytes and as files."""

    cert: bytes
    key: bytes
    cert_path: Path
    key_path: Path

    def install(self, cert_path: Path, key_path: Path) -> None:
        """Put both in the place of others, as a renewal does: each file at once."""
        for content, path in ((self.key, key_path), (self.cert, cert_path)):
            fresh = path.with_name(path.name + ".new")
            fresh.write_bytes(content)
            fresh.replace(path)


class Authority:
    """One authority; `path` is its own certificate."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {secrets.token_hex(4)} of tests")])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        made = _builder(self._name, self._name, self._key.public_key()).add_extension(constraints, critical=True)
        self.cert = made.sign(self._key, hashes.SHA256()).public_bytes(PEM)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self.cert)

    def issue(
        self, name: str, *, hosts: Sequence[str] = ("127.0.0.1",), uri: str = "", good_for: timedelta = LONG
    ) -> Issued:
        """A certificate for these hosts, or with this URI as its name; its files are `name.pem` and `name.key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [_host(host) for host in hosts]
        if uri:
            names = [x509.UniformResourceIdentifier(uri)]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = _builder(subject, self._name, key.public_key(), good_for=good_for).add_extension(
            x509.SubjectAlternativeName(names), critical=False
        )
        cert = made.sign(self._key, hashes.SHA256()).public_bytes(PEM)
        secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        issued = Issued(cert, secret, self._folder / f"{name}.pem", self._folder / f"{name}.key")
        issued.cert_path.write_bytes(cert)
        issued.key_path.write_bytes(secret)
        return issued


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, good_for: timedelta = LONG
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + good_for)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
