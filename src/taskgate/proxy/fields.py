"""What becomes of a request header by its name: forwarded as it came, read by the gateway, or left behind.

Hop-by-hop headers, identity, credentials, framing and everything by which a caller could pretend to be somebody else
never reach an upstream as a finished line. A name with an underscore whose twin with dashes is not forwarded is left
behind too: some servers read both as one.
Names are judged once and remembered; a long name is judged each time, so that the memory stays small.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from taskgate.identity.forwarded import HEADER as CERTIFICATE

FORWARDED: Final = 0  # goes upstream as a finished line
SPECIAL: Final = 1  # kept aside: the head's check or the forwarding item needs it
BELIEVED: Final = 2  # kept aside when the peer is trusted, else left behind
LEFT_BEHIND: Final = 3
CERTIFIED: Final = 4  # a client certificate: left behind, and known here only where the peer may tell it

Field = tuple[bytes, bytes, int]  # lower-case name, beginning of its line, what becomes of it
REMEMBERED_LENGTH = 64

_SPECIAL = frozenset(
    {
        b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect",
        b"authorization", b"x-api-key", b"via", b"traceparent", b"tracestate", b"x-request-id",
    }
)  # fmt: skip
BELIEVED_NAMES = frozenset(
    {
        b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port",
        b"x-forwarded-prefix",
    }
)  # fmt: skip
_HOP_BY_HOP = frozenset(
    {
        b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"proxy-authentication-info",
        b"te", b"trailer", b"http2-settings", b"alt-used",
    }
)  # fmt: skip
_PRETENCES = frozenset(
    {
        b"x-site-id", b"x-user-id", b"x-app-id", b"x-principal", b"x-scopes", b"x-internal-auth", b"x-real-ip",
        b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip", b"cf-connecting-ip", b"remote-user",
        b"x-remote-user", b"x-rewrite-url", b"x-http-method", b"x-http-method-override", b"x-method-override",
        b"x-forwarded", b"forwarded-for",
    }
)  # fmt: skip
_PRETENDING = (b"x-forwarded-", b"x-original-", b"x-auth-request-", b"x-taskgate-")


def read_field(name: bytes) -> Field:
    """What becomes of a header with this name, in any mixture of cases."""
    lowered = name.lower()
    kind = _kind_of(lowered)
    if kind == FORWARDED and b"_" in lowered and _kind_of(lowered.replace(b"_", b"-")) != FORWARDED:
        kind = LEFT_BEHIND
    return lowered, lowered + b": ", kind


remembered_field = lru_cache(maxsize=1024)(read_field)


def _kind_of(name: bytes) -> int:
    if name in _SPECIAL:
        return SPECIAL
    if name == CERTIFICATE:
        return CERTIFIED
    if name in BELIEVED_NAMES:
        return BELIEVED
    if name in _HOP_BY_HOP or name in _PRETENCES or name.startswith(_PRETENDING):
        return LEFT_BEHIND
    return FORWARDED
