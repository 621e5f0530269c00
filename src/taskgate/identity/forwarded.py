"""A client certificate in a header: `X-Forwarded-Client-Cert`, as Envoy writes it.

One element and no more, so that nobody can put another one before or behind what a believed proxy said. It names the
whole certificate (`Cert="…"`, percent-encoded PEM) or its one URI (`URI=spiffe://…`). What our own TLS was shown
travels the same way. Whom to believe is decided where the header comes in: everybody else's never gets here.
"""

from __future__ import annotations

import ssl
from urllib.parse import quote, unquote_to_bytes

from taskgate.errors import Unauthenticated

HEADER = b"x-forwarded-client-cert"
MAX_LENGTH = 48 << 10


def told_by_tls(der: bytes) -> bytes:
    """The header's value for a certificate that our own TLS was shown."""
    return f'Cert="{quote(ssl.DER_cert_to_PEM_cert(der), safe="")}"'.encode("ascii")


def read_element(value: bytes) -> tuple[bytes, str]:
    """The certificate in PEM, or an empty one and its URI. Unauthenticated for anything but one element with one."""
    if len(value) > MAX_LENGTH:
        raise _refused()
    found: dict[str, list[str]] = {}
    for part in _parts(value.decode("latin-1")):
        name, equals, text = part.strip().partition("=")
        if not equals:
            raise _refused()
        found.setdefault(name.lower(), []).append(text.strip().strip('"'))
    certificates, uris = found.get("cert", []), found.get("uri", [])
    if len(certificates) == 1:
        return unquote_to_bytes(certificates[0]), ""
    if certificates or len(uris) != 1:
        raise _refused()
    return b"", uris[0]


def _parts(text: str) -> list[str]:
    """The pairs of one element, split at semicolons outside quotes; a comma there begins another element."""
    parts, is_quoted, begins_at = [], False, 0
    for place, character in enumerate(text):
        if character == '"' and text[place - 1 : place] != "\\":
            is_quoted = not is_quoted
        elif character == "," and not is_quoted:
            raise _refused()
        elif character == ";" and not is_quoted:
            parts.append(text[begins_at:place])
            begins_at = place + 1
    if is_quoted:
        raise _refused()
    return [*parts, text[begins_at:]]


def _refused() -> Unauthenticated:
    return Unauthenticated("the client certificate that was forwarded cannot be read", code="BAD_CERTIFICATE")
