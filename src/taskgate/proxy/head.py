"""Reads the head of a request and decides whether it can be read in one way only.

`Draft` collects what the parser says; each header goes at once where it belongs (see `fields.py`). `check_head` turns
a complete draft into a `Head` or into the error that refuses it. No I/O, no clock.
Framing towards the upstream is generated from what stands here: a body length that is known, chunked, or none. Whatever
two parsers could frame differently is refused, whoever would be right (RFC 9112 section 6).
"""

from __future__ import annotations

from taskgate.errors import CallerError, HeadTooLarge, Malformed
from taskgate.identity.forwarded import HEADER as CERTIFICATE
from taskgate.proxy import fields, places
from taskgate.proxy.fields import BELIEVED, CERTIFIED, FORWARDED, SPECIAL, read_field, remembered_field
from taskgate.proxy.places import Doubtful, read_host, read_path, remembered_host, remembered_path
from taskgate.proxy.ports import Head, Pair
from taskgate.proxy.trust import Trust

CRLF = b"\r\n"
BODILESS = frozenset({b"GET", b"HEAD", b"TRACE", b"CONNECT"})
MAX_LENGTH_DIGITS = 18
_PLAIN_CONNECTION = frozenset({b"keep-alive", b"close", b"upgrade", b"te"})
# What the caller cannot take away by naming it in Connection: it is not the caller's to say.
_NOT_STRIPPED = frozenset({b"host", b"via", *fields.BELIEVED_NAMES})


class Peer:
    """Who is at the other end of a connection, and whether its word about others is believed."""

    __slots__ = ("address", "is_trusted", "scheme", "trust")

    def __init__(self, address: str, *, scheme: str = "http", trust: Trust | None = None) -> None:
        self.address = address
        self.scheme = scheme
        self.trust = trust or Trust()
        self.is_trusted = self.trust.believes(address)


class Draft:
    """A head that is still coming in. `on_url` and `on_header` are called by the parser.

    `certificate` is what the peer's own certificate looks like in a header, b"" for none; what its requests tell of
    other certificates counts only with `certifies`.
    """

    __slots__ = ("_believes", "_certified", "_certifies", "lines", "pairs", "special", "target")

    def __init__(self, *, believes: bool = False, certifies: bool = False, certificate: bytes = b"") -> None:
        self._believes = believes
        self._certifies = certifies and not certificate
        self._certified: list[Pair] = [(CERTIFICATE, certificate)] if certificate else []
        self.clear()

    def clear(self) -> None:
        """Begin the next one; what the last one held belongs to its `Head`."""
        self.target = b""
        self.pairs: list[Pair] = self._certified.copy()
        self.lines: list[bytes] = []  # three pieces for each header: the beginning of its line, the value, CRLF
        self.special: dict[bytes, bytes] = {}

    def on_url(self, piece: bytes) -> None:
        """A piece of the request target."""
        self.target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, its name in any mixture of cases."""
        lowered, beginning, kind = remembered_field(name) if len(name) <= fields.REMEMBERED_LENGTH else read_field(name)
        value = value.rstrip(b" \t")
        self.pairs.append((lowered, value))
        if kind == FORWARDED:
            self.lines += (beginning, value, CRLF)
        elif kind == SPECIAL or (kind == BELIEVED and self._believes):
            special = self.special
            special[lowered] = special[lowered] + b", " + value if lowered in special else value
        elif kind == CERTIFIED and not self._certifies:
            self.pairs.pop()

    def weight(self) -> int:
        """How many bytes the head has, framing included."""
        return len(self.target) + sum(len(name) + len(value) + 4 for name, value in self.pairs)


def check_head(
    draft: Draft,
    method: bytes,
    *,
    version: str,
    keep_alive: bool,
    is_upgrade: bool,
    peer: Peer,
    max_headers: int = 200,
) -> Head | CallerError:
    """The head, or why it is refused. `is_upgrade`: the parser stops behind this head and reads no body."""
    if version != "1.1" and version != "1.0":
        return Malformed("this version of HTTP is not spoken here", code="BAD_VERSION")
    if len(draft.pairs) > max_headers:
        return HeadTooLarge(f"the request has more than {max_headers} headers", extra={"limit_headers": max_headers})
    target, special = draft.target, draft.special
    raw_path, _, query = target.partition(b"?")
    try:
        host = _host(special.pop(b"host", None), version=version)
        path = remembered_path(raw_path) if len(raw_path) <= places.REMEMBERED_LENGTH else read_path(raw_path)
        if b"#" in query:
            raise Doubtful("the request target has a fragment")
        length = _body_length(special, version=version)
        upgrade = special.pop(b"upgrade", None)
        if length != 0 and (method in BODILESS or is_upgrade or upgrade is not None):
            raise Doubtful("this request may not have a body")
        expects_continue = b"expect" in special and _expectation(special, version=version)
        connection = special.pop(b"connection", None)
        wanted = "" if upgrade is None else _upgrade(upgrade, connection, method=method, is_upgrade=is_upgrade)
    except Doubtful as doubt:
        return Malformed(str(doubt), code="AMBIGUOUS_REQUEST")
    lines = draft.lines
    if connection is not None and connection.lower() not in _PLAIN_CONNECTION:
        lines = _without_named(draft, connection)
    caller, scheme = peer.address, peer.scheme
    if peer.is_trusted:
        caller, scheme = peer.trust.caller(special, caller), peer.trust.scheme(special, scheme)
    return Head(
        method.decode("ascii"), target, path, query, version, host, draft.pairs, b"".join(lines), length, keep_alive,
        special, caller, scheme, wanted, expects_continue,
    )  # fmt: skip


def _host(raw: bytes | None, *, version: str) -> bytes:
    """The one authority; repeated hosts were joined by a comma, which no authority has."""
    if raw is None:
        if version == "1.0":
            return b""
        raise Doubtful("the header Host is missing")
    if len(raw) <= places.REMEMBERED_LENGTH:
        remembered_host(raw)
    else:
        read_host(raw)
    return raw


def _body_length(special: dict[bytes, bytes], *, version: str) -> int | None:
    """0 for no body, None for chunked."""
    coding = special.pop(b"transfer-encoding", None)
    declared = special.pop(b"content-length", None)
    if coding is not None:
        if declared is not None:
            raise Doubtful("the body has a length and a transfer coding")
        if version == "1.0" or coding.lower() != b"chunked":
            raise Doubtful("the transfer coding must be chunked, in HTTP/1.1")
        return None
    if declared is None:
        return 0
    if not declared.isdigit() or len(declared) > MAX_LENGTH_DIGITS:
        raise Doubtful("Content-Length is not a number")
    return int(declared)


def _expectation(special: dict[bytes, bytes], *, version: str) -> bool:
    if special.pop(b"expect").lower() != b"100-continue":
        raise Doubtful("this expectation cannot be met")
    return version == "1.1"  # from HTTP/1.0 it is ignored (RFC 9110 section 10.1.1)


def _upgrade(value: bytes, connection: bytes | None, *, method: bytes, is_upgrade: bool) -> str:
    """`websocket`, or empty: any other protocol is not offered, and the request is an ordinary one."""
    if not is_upgrade or connection is None or value.lower() != b"websocket":
        return ""
    if method != b"GET":
        raise Doubtful("a WebSocket begins with GET")
    return "websocket"


def _without_named(draft: Draft, connection: bytes) -> list[bytes]:
    """The lines without the headers that Connection names; they are taken out of `special` too."""
    named = {token.strip() for token in connection.lower().split(b",")} - _PLAIN_CONNECTION
    for name in named - _NOT_STRIPPED:
        draft.special.pop(name, None)
    lines = draft.lines
    kept: list[bytes] = []
    for index in range(0, len(lines), 3):
        if lines[index][:-2] not in named:
            kept += lines[index : index + 3]
    return kept
