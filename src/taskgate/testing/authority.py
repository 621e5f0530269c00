"""A certificate authority for tests: leaves for servers and clients, with whatever names a test wants.

Its key is made with it and lives in memory alone; nothing that it signs is of use outside a test.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = 1_800_000_000.0
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Its two files in a folder: certificate and key."""
        files = folder / f"{name}.pem", folder / f"{name}.key"
        for file, text in zip(files, (self.pem, self.key_pem), strict=True):
            file.write_bytes(text)
        return files


class Authority:
    """Signs certificates that begin an hour before `now` and end `life_s` after it, an hour if nothing is said."""

    def __init__(self, now: float = NOW, *, life_s: float = HOUR_S) -> None:
        self._now = now
        self._life_s = life_s
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("taskgate test authority")
        builder = self._begun(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        subject = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = builder.add_extension(usage, critical=True).add_extension(subject, critical=False)
        self.root = Leaf(certificate=builder.sign(self._key, hashes.SHA256()), key=self._key)

    def leaf(
        self, uris: Iterable[str] = (), *, common_name: str = "leaf", others: Iterable[x509.GeneralName] = ()
    ) -> Leaf:
        """A certificate with these URIs, and other names, as its subject alternative names."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [*map(x509.UniformResourceIdentifier, uris), *others]
        builder = self._begun(_name(common_name[:64]), key)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority, critical=False)
        return Leaf(certificate=builder.sign(self._key, hashes.SHA256()), key=key)

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.fromtimestamp(self._now, UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=HOUR_S))
            .not_valid_after(now + timedelta(seconds=self._life_s))
        )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
