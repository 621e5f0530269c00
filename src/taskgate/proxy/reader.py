"""Reads one upstream's answers, without I/O: bytes in; status, forwardable header lines and pieces of body out.

Strict: what two readers could take in two ways (two lengths, a length beside a coding, a bare line feed, a coding
other than chunked) raises `BadAnswer`. Bytes behind an answer are noted as `surplus` and never handed on.
Bodies with a length are counted, not parsed; the parser is a new one wherever the old one was left inside a body.
Trailers are read and dropped: nothing that a caller was promised stands in them.
A head that is byte for byte the connection's last one is not parsed again: it means what it meant.
"""

from __future__ import annotations

from functools import lru_cache

import httptools

WAITING, BODY, DONE, SWITCHED = range(4)

_LENGTH, _CODING, _CONNECTION, _UPGRADE, _DROPPED = range(1, 6)
_SPECIAL = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"upgrade": _UPGRADE,
    b"keep-alive": _DROPPED,
    b"proxy-connection": _DROPPED,
    b"te": _DROPPED,
    b"trailer": _DROPPED,
    b"proxy-authenticate": _DROPPED,
    b"proxy-authorization": _DROPPED,
    b"x-request-id": _DROPPED,
    b"gateway-error-source": _DROPPED,
    b"gateway-attempts": _DROPPED,
}
_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade"})
_USUAL = frozenset({b"close", b"keep-alive", b"Keep-Alive", b"Close"})
_REMEMBERED_LENGTH = 64
_MAX_LENGTH_DIGITS = 18
MAX_HEAD_BYTES = 256 << 10
BODILESS = frozenset({204, 304})
_KNOWN_BYTES = 4096


def _read(name: bytes) -> tuple[int, bytes]:
    """What a header is to us (0: to be passed on), and how its line begins."""
    return _SPECIAL.get(name.lower(), 0), name + b": "


_remembered = lru_cache(maxsize=1024)(_read)


class BadAnswer(Exception):
    """What came is no HTTP answer, or one that could be read in two ways."""


class _Known:
    """The last head of a connection that was followed by a body with a length, and what it said."""

    __slots__ = ("head", "keep_alive", "length", "lines", "status")

    def __init__(self, head: bytes, reader: AnswerReader, *, length: int) -> None:
        self.head = head
        self.status = reader.status
        self.length = length
        self.lines = reader.lines
        self.keep_alive = reader.keep_alive


class AnswerReader:
    """The state of one connection's reading side. `begin` before every request.

    After each `feed`: `phase` (WAITING, BODY, DONE, SWITCHED), `pieces` of body that it brought (taken by the caller),
    `interim` answers (status, lines). In BODY and later: `status`, `lines`, and `length`, None when only chunks or the
    end of the connection delimit the body. `surplus` once bytes came that nobody asked for.
    """

    __slots__ = (
        "_chunked", "_head_bytes", "_is_head", "_known", "_left", "_may_switch", "_named", "_parser", "_upgrade",
        "interim", "keep_alive", "length", "lines", "phase", "pieces", "rest", "status", "surplus",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = None
        self._known: _Known | None = None
        self.begin(is_head=False)

    def begin(self, *, is_head: bool, may_switch: bool = False) -> None:
        """Expect the answer to a request; HEAD has no body, and only an upgrade may be answered with 101."""
        self.phase = WAITING
        self.status = 0
        self.length: int | None = None
        self.lines: list[bytes] = []
        self.pieces: list[bytes] = []
        self.interim: list[tuple[int, bytes]] = []
        self.rest = b""
        self.keep_alive = False
        self.surplus = False
        self._is_head = is_head
        self._may_switch = may_switch
        self._left = 0
        self._chunked = False
        self._named: list[bytes] | None = None
        self._upgrade = b""
        self._head_bytes = 0
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take what came; empty is the end of the connection, which completes a body that nothing else delimits.

        Raises BadAnswer, also for an end in the middle of an answer.
        """
        if not data:
            self._parser = None
            if self.phase != BODY or self.length is not None or self._chunked:
                raise BadAnswer("the connection ended before the answer did")
            self.phase = DONE
        elif self.phase == BODY and not self._chunked:
            self._parser = None
            self._count(data)
        elif self.phase < DONE:
            known = self._known
            if known is None or not data.startswith(known.head) or not self._takes_again(data, known):
                self._parse(data)
        else:
            self.surplus = True

    @property
    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that may be forwarded, names in lower case."""
        lines = self.lines
        return tuple((lines[place][:-2].lower(), lines[place + 1]) for place in range(0, len(lines), 3))

    def _takes_again(self, data: bytes, known: _Known) -> bool:
        """Whether this segment could be taken by what is known of its head."""
        body_bytes = len(data) - len(known.head)
        if self.phase != WAITING or self._head_bytes or self._is_head or body_bytes > known.length:
            return False
        self.status, self.length, self.lines = known.status, known.length, known.lines
        self.keep_alive = known.keep_alive
        if body_bytes:
            self.pieces.append(data[-body_bytes:])
        if body_bytes == known.length:
            self.phase = DONE
        else:
            self.phase = BODY
            self._left = known.length - body_bytes
            self._parser = None
        return True

    def _remember(self, data: bytes) -> None:
        """The segment began with a whole head: keep it, where nothing but it decides what follows."""
        length = self.length
        if length is None or self._chunked or self._is_head or self.interim or self.surplus or self.status in BODILESS:
            return
        end = data.find(b"\r\n\r\n") + 4
        if 4 < end <= _KNOWN_BYTES and len(data) - end == sum(map(len, self.pieces)):
            self._known = _Known(data[:end], self, length=length)

    def _count(self, data: bytes) -> None:
        if self.length is None:
            self.pieces.append(data)
            return
        left = self._left - len(data)
        if left < 0:
            self.surplus = True
            data = data[:left]
            left = 0
        self._left = left
        self.pieces.append(data)
        if left == 0:
            self.phase = DONE

    def _parse(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            raise BadAnswer("an answer behind the end of the connection")
        if self.phase == WAITING:
            self._head_bytes += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as switched:
            self._parser = None
            if self.phase != SWITCHED:
                raise BadAnswer("an upgrade that nobody asked for") from None
            self.rest = data[switched.args[0] :]
        except httptools.HttpParserError as error:
            self._parser = None
            if self.phase != DONE:
                cause = error.__context__
                raise BadAnswer(str(cause if isinstance(cause, BadAnswer) else error)) from error
            self.surplus = True
        if self._head_bytes > MAX_HEAD_BYTES and (self.phase == WAITING or self._weight() > MAX_HEAD_BYTES):
            raise BadAnswer("the head of the answer is too large")
        if self._head_bytes == len(data) and self.phase in (BODY, DONE):
            self._remember(data)

    def _weight(self) -> int:
        """What the lines of the head weigh: its last segment may have brought much of the body too."""
        return sum(map(len, self.lines))

    # ---------------------------------------------------------------- what the parser calls

    def on_message_begin(self) -> None:
        if self.phase != WAITING:
            self.surplus = True
            self._parser = None

    def on_header(self, name: bytes, value: bytes) -> None:
        kind, beginning = _remembered(name) if len(name) <= _REMEMBERED_LENGTH else _read(name)
        if self.phase != WAITING:
            if kind and kind <= _CODING and self.phase == BODY:
                raise BadAnswer("framing in a trailer")
        elif not kind:
            self.lines += (beginning, value, b"\r\n")
        elif kind == _CONNECTION:
            if value not in _USUAL:
                self._note(kind, value)
        elif kind != _DROPPED:
            self._note(kind, value)

    def on_headers_complete(self) -> None:
        parser = self._parser
        if self.phase != WAITING or parser is None:
            return
        status = parser.get_status_code()
        version = parser.get_http_version()
        if version not in ("1.1", "1.0") or not 100 <= status <= 599:
            raise BadAnswer("a version or status that is not HTTP/1")
        self._drop_named()
        if status < 200:
            self._informed(status)
            return
        if self._chunked and (self.length is not None or version == "1.0"):
            raise BadAnswer("a length beside a transfer coding")
        self.status = status
        self.keep_alive = parser.should_keep_alive()
        if self._is_head or status in BODILESS:
            self._parser = None
            self.phase = DONE
        elif self._chunked:
            self.phase = BODY
        else:
            self.phase = DONE if self.length == 0 else BODY
            self._left = self.length or 0
            self.keep_alive = self.keep_alive and self.length is not None

    def on_body(self, piece: bytes) -> None:
        if self.phase == BODY:
            self.pieces.append(piece)
            if self._chunked or self.length is None:
                return
            self._left -= len(piece)
            if self._left == 0:
                self.phase = DONE
            else:
                self._parser = None
        elif self.phase == DONE:
            self.surplus = True

    def on_message_complete(self) -> None:
        if self.phase == BODY and self._chunked:
            self.phase = DONE

    # ---------------------------------------------------------------- heads

    def _note(self, kind: int, value: bytes) -> None:
        if kind == _LENGTH:
            if self.length is not None or not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
                raise BadAnswer("a length that can be read in two ways")
            self.length = int(value)
        elif kind == _CODING:
            if self._chunked or value.lower() != b"chunked":
                raise BadAnswer("a transfer coding that can be read in two ways")
            self._chunked = True
        elif kind == _UPGRADE:
            self._upgrade = value.lower()
        else:
            named = [name for part in value.split(b",") if (name := part.strip().lower()) not in _OPTIONS and name]
            if named:
                self._named = [*(self._named or ()), *named]

    def _drop_named(self) -> None:
        """Take out the headers that Connection names: they were meant for us alone (RFC 9110 7.6.1)."""
        if self._named is None:
            return
        lines = self.lines
        kept: list[bytes] = []
        for place in range(0, len(lines), 3):
            if lines[place][:-2].lower() not in self._named:
                kept += lines[place : place + 3]
        self.lines = kept

    def _informed(self, status: int) -> None:
        if self.length is not None or self._chunked:
            raise BadAnswer("an interim answer with a body")
        if status == 101:
            if not self._may_switch or self._upgrade != b"websocket":
                raise BadAnswer("an upgrade that nobody asked for")
            self.status = status
            self.phase = SWITCHED
            return
        self.interim.append((status, b"".join(self.lines)))
        self.lines = []
        self._named = None
        self._upgrade = b""
