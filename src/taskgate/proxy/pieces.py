"""The bytes of both heads that we write: framing, who forwarded, for whom, what it cost. Nothing of it is copied.

What is the same for a status, a caller or a principal is made once and remembered in small tables.
Values that come from outside are let in only where they cannot end a line.
"""

from __future__ import annotations

import re
from functools import lru_cache

from taskgate.errors import LoopDetected
from taskgate.proxy.ports import Head

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
LAST_CHUNK = b"0\r\n\r\n"
UPGRADE = b"connection: upgrade\r\nupgrade: websocket\r\n"
_FIELD_TEXT = re.compile(r"[^\x21-\x7e]")
_TOLD = (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port")


def chunk(piece: bytes) -> bytes:
    """A piece of a body as one chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@lru_cache(maxsize=4096)
def identity_lines(site_id: str, *, user_id: str = "", app_id: str = "") -> bytes:
    """Who calls, for the upstream; an attribute that is not known is not sent."""
    named = ((b"x-site-id", site_id), (b"x-user-id", user_id), (b"x-app-id", app_id))
    return b"".join(b"%b: %b\r\n" % (name, plain(text)) for name, text in named if text)


def plain(text: str) -> bytes:
    """Visible ASCII; whatever else stands in the text is percent-encoded."""
    return _FIELD_TEXT.sub(_escaped, text).encode("ascii")


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found.group().encode("utf-8", "surrogatepass"))


class Passing:
    """What this gateway says of itself on every request that it forwards."""

    __slots__ = ("_by", "_name", "_token", "_via")

    def __init__(self, pseudonym: str) -> None:
        self._name = plain(pseudonym)
        self._token = b"1.1 " + self._name
        self._by = b"_" + re.sub(rb"[^A-Za-z0-9._-]", b"_", self._name)
        self._via = b"via: 1.1 %b\r\n" % self._name

    @property
    def via(self) -> bytes:
        """Our line on an answer."""
        return self._via

    def forwarded(self, head: Head, peer: str) -> bytes:
        """Via, Forwarded and X-Forwarded-*. Raises LoopDetected for a request that has been here before."""
        special = head.special
        via = special.get(b"via")
        if via is None:
            lines = self._via
        else:
            if any(part.split()[1:2] == [self._name] for part in via.split(b",")):
                raise LoopDetected("the request has passed this gateway before")
            lines = b"via: %b, %b\r\n" % (via, self._token)
        for name in _TOLD:
            if name in special:
                return lines + self._chain(head, peer)
        return lines + _caller_lines(peer, head.scheme, head.host, self._by)

    def _chain(self, head: Head, peer: str) -> bytes:
        """As a trusted peer told it, and the peer itself behind it."""
        own = _caller_parts(peer, head.scheme, head.host, self._by)
        said = [(name, head.special.get(name, b"")) for name in _TOLD]
        lines = []
        for (name, before), mine in zip(said, own, strict=True):
            joined = b"%b, %b" % (before, mine) if before and name in _TOLD[:2] else before or mine
            lines.append(b"%b: %b\r\n" % (name, joined))
        return b"".join(lines)


@lru_cache(maxsize=4096)
def _caller_lines(peer: str, scheme: str, host: bytes, by: bytes) -> bytes:
    parts = _caller_parts(peer, scheme, host, by)
    return b"".join(b"%b: %b\r\n" % pair for pair in zip(_TOLD, parts, strict=True))


def _caller_parts(peer: str, scheme: str, host: bytes, by: bytes) -> tuple[bytes, ...]:
    address = plain(peer)
    node = b'"[%b]"' % address if b":" in address else address or b"unknown"
    tail = host.rpartition(b":")[2]
    port = tail if tail.isdigit() and host != tail else b"443" if scheme == "https" else b"80"
    told = b"for=%b;proto=%b;by=%b" % (node, scheme.encode(), by)
    if host:
        told += b';host="%b"' % host
    return told, address, scheme.encode(), host, port
