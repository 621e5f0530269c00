"""What callers say about an uploaded log in headers and query, read strictly.

Content-Digest: sha-256=:BASE64:     of the piece (RFC 9530), or X-Checksum-Sha256: HEX
X-Attempt, X-Lease-Token             the lease under which the caller writes
Range: bytes=FIRST-LAST              one part; what names several is ignored, as RFC 9110 allows (S39)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from taskgate.edge.http.call import Call
from taskgate.errors import InvalidInput, Malformed, OutOfRange

MAX_ATTEMPT = 10**9
_DIGEST = re.compile(rb"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?=$|,)")
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_RANGE = re.compile(rb"bytes=([0-9]{0,15})-([0-9]{0,15})")
_TOKEN = re.compile(rb"[!-~]{1,256}")


def checksum_of(call: Call) -> bytes:
    """The SHA-256 that the piece must have. Malformed when there is none, or one that cannot be read."""
    plain = call.headers.get(b"x-checksum-sha256")
    if plain is not None:
        return hex_of(plain.decode("latin-1"), "X-Checksum-Sha256")
    found = _DIGEST.search(call.headers.get(b"content-digest", b""))
    if found is None:
        raise Malformed("a piece needs Content-Digest: sha-256=:…: or X-Checksum-Sha256", code="CHECKSUM_MISSING")
    try:
        return base64.b64decode(found[1], validate=True)
    except binascii.Error:
        raise Malformed("Content-Digest is not base64", code="CHECKSUM_MISSING") from None


def check(content: bytes, wanted: bytes) -> None:
    """Raise InvalidInput (CHECKSUM_MISMATCH) unless the bytes have this digest."""
    if hashlib.sha256(content).digest() != wanted:
        raise InvalidInput("the piece has another checksum than was said", code="CHECKSUM_MISMATCH")


def hex_of(text: str, name: str) -> bytes:
    """A SHA-256 written in hex."""
    if _HEX.fullmatch(text) is None:
        raise Malformed(f"{name} is a SHA-256 of 64 hex digits", code="CHECKSUM_MISSING")
    return bytes.fromhex(text)


def lease_of(call: Call) -> tuple[int, str]:
    """The attempt and the lease token that the caller shows; 0 and "" for what it does not."""
    attempt, token = call.headers.get(b"x-attempt", b"0"), call.headers.get(b"x-lease-token", b"")
    if not attempt.isdigit() or len(attempt) > 10 or int(attempt) > MAX_ATTEMPT:
        raise Malformed("X-Attempt is a number", code="BAD_ATTEMPT")
    if token and (_TOKEN.fullmatch(token) is None or not int(attempt)):
        raise Malformed("X-Lease-Token needs its X-Attempt", code="BAD_LEASE")
    return int(attempt), token.decode("latin-1")


def part_of(value: bytes | None, size: int) -> tuple[int, int] | None:
    """First byte and end of the part that is asked for; None for the whole. OutOfRange for a part that is not there."""
    found = None if value is None else _RANGE.fullmatch(value.strip())
    if found is None or found.groups() == (b"", b""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= end:
        raise OutOfRange("this part does not exist", extra={"size_bytes": size})
    return start, end
