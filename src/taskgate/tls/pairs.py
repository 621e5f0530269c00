"""Certificate, key and trusted authorities as one value, read from files and judged before anybody uses it.

What does not fit together (half a file, another certificate's key, a key behind a password) never becomes a value:
reading raises, and whoever serves goes on with what it has. The bytes that were judged are the bytes that serve.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from taskgate.errors import InvalidInput

WARN_DAYS = (30, 7, 1)
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where they are; `section` names the settings to blame. An empty `cert_path` is no TLS at all."""

    section: str
    cert_path: str
    key_path: str = ""
    ca_path: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that there are."""
        return tuple(path for path in (self.cert_path, self.key_path, self.ca_path) if path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """PEM. `roots` are the authorities that clients' certificates must come from, empty where none are asked for."""

    chain: bytes
    key: bytes
    roots: bytes
    expires_at: float


def read_pair(files: Files) -> Pair:
    """The pair in the files; InvalidInput (SETTINGS_INVALID) names the setting that cannot serve, and why."""
    for path, file in (("tls_key_path", files.key_path), ("tls_ca_path", files.ca_path)):
        if file and not files.cert_path:
            raise _useless(files, "tls_cert_path", f"must be named where {files.section}.{path} is")
    chain = _bytes(files, "tls_cert_path", files.cert_path)
    key = _bytes(files, "tls_key_path", files.key_path) if files.key_path else chain
    roots = _bytes(files, "tls_ca_path", files.ca_path) if files.ca_path else b""
    if files.ca_path and not roots:  # half a renewal; it does not say that nobody needs a certificate any more
        raise _useless(files, "tls_ca_path", f"{files.ca_path} is empty")
    pair = Pair(chain=chain, key=key, roots=roots, expires_at=_expires_at(files, chain))
    try:
        context_of(pair)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise _refused(files, error) from error
    return pair


def context_of(pair: Pair, *, is_client_required: bool = False) -> ssl.SSLContext:
    """A context that serves with this pair: TLS 1.2 and later. Where authorities are named a client is asked for its
    certificate, and is let in without one unless it is required."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, pair)
    if pair.roots:
        context.load_verify_locations(cadata=pair.roots.decode("ascii"))
        context.verify_mode = ssl.CERT_REQUIRED if is_client_required else ssl.CERT_OPTIONAL
        context.options |= ssl.OP_NO_TICKET  # who comes back shows its certificate again: it may be out of trust
        context.num_tickets = 0
    return context


def crossed(expires_at: float, now: float, *, told: int | None = None) -> int | None:
    """The days before the end (30, 7, 1, or 0 for past it) that are reached now and were not `told` yet."""
    left_s = expires_at - now
    reached = [days for days in (*WARN_DAYS, 0) if left_s <= days * DAY_S]
    if not reached or (told is not None and min(reached) >= told):
        return None
    return min(reached)


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    """Load from memory: the library reads files alone, and a file may change between two looks."""
    memory = os.memfd_create("taskgate-tls", os.MFD_CLOEXEC)
    try:
        parts = [pair.chain] if pair.key == pair.chain else [pair.chain, b"\n", pair.key]
        with os.fdopen(os.dup(memory), "wb") as file:
            file.write(b"".join(parts))
        context.load_cert_chain(f"/proc/self/fd/{memory}", password=lambda: "-")
    finally:
        os.close(memory)


def _bytes(files: Files, setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _useless(files, setting, f"{path} cannot be read: {error.strerror}") from error


def _expires_at(files: Files, chain: bytes) -> float:
    try:
        return min(one.not_valid_after_utc.timestamp() for one in x509.load_pem_x509_certificates(chain))
    except (ValueError, x509.InvalidVersion) as error:
        raise _refused(files, error) from error


def _refused(files: Files, error: Exception) -> InvalidInput:
    why = getattr(error, "reason", None) or "not PEM"
    if why == "KEY_VALUES_MISMATCH":
        return _useless(files, "tls_key_path", "is not the key of the certificate")
    named = " and ".join(files.paths)
    hint = "certificate and key in PEM, the key without a password, are needed"
    return _useless(files, "tls_cert_path", f"{named} cannot be used ({why}): {hint}")


def _useless(files: Files, setting: str, why: str) -> InvalidInput:
    path = f"{files.section}.{setting}"
    return InvalidInput(f"{path}: {why}", code="SETTINGS_INVALID", extra={"path": path})
