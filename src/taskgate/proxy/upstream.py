"""One connection to an upstream: requests go out one after the other, each is heard by one hearer.

Bytes that nobody asked for poison a connection: it is cut and never used again, and so is one whose answer broke a
rule. What of an answer came in one read is told in one call, so that a small answer leaves in one write.
After 101 the connection belongs to a relay and knows nothing of HTTP any more.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from taskgate.proxy.reader import DONE, SWITCHED, WAITING, AnswerReader, BadAnswer
from taskgate.proxy.wire import Outgoing, Wire

WRITE_HIGH_BYTES = 256 << 10


class Hearer(Protocol):
    """Who made the present request of a connection. After an end, `broke` or `switched` it is called no more."""

    def interim(self, status: int, lines: bytes) -> None:
        """An interim answer (102, 103); `lines` may be forwarded."""
        ...

    def answered(self, answer: AnswerReader, piece: bytes, *, is_end: bool) -> None:
        """The head of the answer, and what of the body came with it."""
        ...

    def more(self, piece: bytes, *, is_end: bool) -> None: ...

    def broke(self, why: str) -> None:
        """No more comes, and the answer is not complete."""
        ...

    def paced(self, *, is_open: bool) -> None:
        """The upstream reads slowly (False): send it nothing more until it reads again (True)."""
        ...

    def switched(self, answer: AnswerReader) -> None:
        """101: set `raw` to who gets the bytes from now on; `answer.rest` are the first of them."""
        ...


class Raw(Protocol):
    """Who gets the bytes of a connection that speaks HTTP no more."""

    def came(self, piece: bytes) -> None: ...

    def came_end(self) -> None: ...

    def gone(self) -> None: ...

    def paced(self, *, is_open: bool) -> None: ...


class Home(Protocol):
    """The pool that a connection lives in."""

    outgoing: Outgoing

    def joined(self, upstream: Upstream) -> None: ...

    def drop(self, upstream: Upstream) -> None: ...

    def lend(self, upstream: Upstream) -> None: ...

    def gone(self, upstream: Upstream) -> None: ...


class Upstream(asyncio.Protocol):
    """`served` requests were answered before; `is_heard` once the present one got a byte of an answer; a connection
    that is not `is_sound` is never used again; one that `is_lent` has left its pool's count for good."""

    __slots__ = (
        "hearer",
        "home",
        "idle_since",
        "is_heard",
        "is_lent",
        "is_sound",
        "raw",
        "reader",
        "served",
        "transport",
        "wire",
    )

    transport: asyncio.Transport
    wire: Wire

    def __init__(self, home: Home) -> None:
        self.home = home
        self.reader = AnswerReader()
        self.hearer: Hearer | None = None
        self.raw: Raw | None = None
        self.idle_since = 0.0
        self.served = 0
        self.is_heard = False
        self.is_sound = True
        self.is_lent = False

    def begin(self, hearer: Hearer, *, is_head: bool, may_switch: bool) -> None:
        """The next request is this hearer's; it writes to `wire` itself."""
        self.hearer = hearer
        self.is_heard = False
        self.reader.begin(is_head=is_head, may_switch=may_switch)

    # ---------------------------------------------------------------- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self.wire = Wire(self.transport, self.home.outgoing)
        self.home.joined(self)

    def data_received(self, data: bytes) -> None:
        hearer = self.hearer
        if hearer is None:
            self._unasked(data)
            return
        reader = self.reader
        was_waiting = reader.phase == WAITING
        self.is_heard = True
        try:
            reader.feed(data)
        except BadAnswer as error:
            self._break(str(error))
            return
        if reader.interim:
            interim, reader.interim = reader.interim, []
            for status, lines in interim:
                hearer.interim(status, lines)
        phase = reader.phase
        if phase == WAITING:
            return
        if phase == SWITCHED:
            self.hearer = None
            hearer.switched(reader)
            return
        if phase == DONE:
            self.hearer = None
            self.served += 1
            self.is_sound = reader.keep_alive and not reader.surplus
        self._tell(hearer, was_waiting=was_waiting, is_end=phase == DONE)

    def eof_received(self) -> bool:
        if self.raw is None:
            return False
        self.raw.came_end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_sound = False
        self.wire.left()
        self.home.gone(self)
        hearer, self.hearer = self.hearer, None
        raw, self.raw = self.raw, None
        if raw is not None:
            raw.gone()
        elif hearer is not None:
            try:
                if exc is not None:
                    raise BadAnswer("the upstream cut the connection")
                self.reader.feed(b"")
            except BadAnswer as error:
                hearer.broke(str(error))
            else:
                hearer.more(b"", is_end=True)

    def pause_writing(self) -> None:
        listener = self.raw or self.hearer
        if listener is not None:
            listener.paced(is_open=False)

    def resume_writing(self) -> None:
        listener = self.raw or self.hearer
        if listener is not None:
            listener.paced(is_open=True)

    # ---------------------------------------------------------------- parts

    def _tell(self, hearer: Hearer, *, was_waiting: bool, is_end: bool) -> None:
        reader = self.reader
        pieces = reader.pieces
        piece = b""
        if pieces:
            piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            reader.pieces = []
        if was_waiting:
            hearer.answered(reader, piece, is_end=is_end)
        elif piece or is_end:
            hearer.more(piece, is_end=is_end)

    def _unasked(self, data: bytes) -> None:
        if self.raw is not None:
            self.raw.came(data)
            return
        self.is_sound = False
        self.home.drop(self)

    def _break(self, why: str) -> None:
        hearer, self.hearer = self.hearer, None
        self.is_sound = False
        self.home.drop(self)
        if hearer is not None:
            hearer.broke(why)
