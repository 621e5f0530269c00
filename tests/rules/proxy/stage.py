"""A front without sockets: a transport played by hand, items that record what they hear, a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from taskgate.errors import TaskgateError
from taskgate.proxy.doorway import Doorway
from taskgate.proxy.front import CallerConnection
from taskgate.proxy.ports import Claims, Front, Head, Tunnel
from taskgate.proxy.refusal import write_problem
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.turn import NEVER, Timed, Turn
from taskgate.proxy.wire import Outgoing


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class HandTurn(Turn):
    """A sweep that is made by hand."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock, outgoing=Outgoing(lambda flush: flush()))
        self.clock = clock
        self.acts: list[Callable[[], None]] = []
        self.next_acts: list[Callable[[], None]] = []

    def add(self, timed: Timed) -> None:
        self.timed.add(timed)

    def soon(self, act: Callable[[], None]) -> None:
        self.next_acts.append(act)

    def turned(self) -> None:
        """The next turn of the loop has come."""
        acts, self.next_acts = self.next_acts, []
        for act in acts:
            act()

    def after_reading(self, act: Callable[[], None]) -> None:
        self.acts.append(act)

    def read(self) -> None:
        """Everything that has arrived was read."""
        acts, self.acts = self.acts, []
        for act in acts:
            act()

    def later(self, seconds: float) -> None:
        """So much time passes, then the sweep comes."""
        self.clock.time += seconds
        self.sweep()


class HandReading(asyncio.Transport):
    """Says whether reading is paused."""

    is_paused = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """What comes is told by the test."""


class HandTransport(HandReading):
    """Keeps what is written; says how the connection ended."""

    def __init__(self, peer: tuple[str, int] = ("192.0.2.1", 4711)) -> None:
        super().__init__({"peername": peer, "sockname": ("192.0.2.99", 80)})
        self.written = bytearray()
        self.is_closed = False
        self.is_cut = False
        self.has_ended = False
        self.waiting = 0

    def write(self, data: Any) -> None:
        assert not self.has_ended, "written behind the end"
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_cut = True

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_ended = True

    def get_write_buffer_size(self) -> int:
        return self.waiting


@dataclass(slots=True, eq=False)
class Record:
    """What an item hears and keeps."""

    front: Front
    head: Head
    waits: bool = False
    deadline: float = NEVER
    heard: bytearray = field(default_factory=bytearray)
    is_started: bool = False
    is_whole: bool = False
    is_lost: bool = False
    fault: TaskgateError | None = None
    paces: list[bool] = field(default_factory=list)
    expired: list[float] = field(default_factory=list)

    def body(self, data: bytes) -> None:
        assert not self.is_whole
        self.heard += data

    def lost(self) -> None:
        self.is_lost = True

    def pace(self, *, is_open: bool) -> None:
        self.paces.append(is_open)

    def on_deadline(self, now: float) -> None:
        self.expired.append(now)


class Recorder(Record):
    """An item that answers itself when its request is whole, unless told to wait."""

    __slots__ = ()

    def start(self) -> None:
        assert not self.is_started
        self.is_started = True
        self._try()

    def body_end(self) -> None:
        assert not self.is_whole
        self.is_whole = True
        self._try()

    def broken(self, error: TaskgateError) -> None:
        assert self.is_started
        self.fault = error
        self.front.write(write_problem(error))
        self.front.finished(keep_alive=False)

    def answer(self, *, keep_alive: bool | None = None) -> None:
        """Say which request this was."""
        told = b"%s %s %d" % (self.head.method.encode(), self.head.target, len(self.heard))
        self.front.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(told), told))
        self.front.finished(keep_alive=self.head.keep_alive if keep_alive is None else keep_alive)

    def _try(self) -> None:
        if self.is_started and self.is_whole and not self.waits:
            self.answer()


class Pipe:
    """What a tunnel hears."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.is_ended = False
        self.is_lost = False
        self.paces: list[bool] = []

    def received(self, data: bytes) -> None:
        self.heard += data

    def ended(self) -> None:
        self.is_ended = True

    def lost(self) -> None:
        self.is_lost = True

    def pace(self, *, is_open: bool) -> None:
        self.paces.append(is_open)


class Stage:
    """One connection and its recorders. `waits`: requests whose path is among these are answered by the test."""

    def __init__(
        self,
        settings: ProxySettings | None = None,
        *,
        waits: Iterable[str] = (),
        peer: str = "192.0.2.1",
        claims: Claims | None = None,
        doorway: Doorway | None = None,
    ) -> None:
        self.waits = frozenset(waits)
        self.turn = HandTurn(HandClock())
        self.doorway = doorway or Doorway(claims or self._record, settings or ProxySettings(), turn=self.turn)
        self.state = SimpleNamespace(connections=set(), tasks=set(), default_headers=[])
        self.doorway.server_state = self.state  # type: ignore[assignment]
        self.items: list[Recorder] = []
        self.transport = HandTransport((peer, 4711))
        self.front = CallerConnection(self.doorway)
        self.front.connection_made(self.transport)

    def _record(self, front: Front, head: Head) -> Recorder:
        item = Recorder(front, head, waits=head.path in self.waits)
        self.items.append(item)
        return item

    def say(self, data: bytes, piece: int = 0) -> Stage:
        """The caller sends, in pieces of this size (0: all at once), as far as anybody reads."""
        size = piece or len(data) or 1
        for start in range(0, len(data), size):
            if self.transport.is_closed:
                break
            self.front.data_received(data[start : start + size])
        return self

    @property
    def told(self) -> bytes:
        """What was written since it was last asked."""
        told = bytes(self.transport.written)
        self.transport.written.clear()
        return told

    def closed(self) -> bool:
        """Whether the connection was closed or cut."""
        return self.transport.is_closed

    def paused(self) -> bool:
        """Whether the caller is not read."""
        return self.transport.is_paused

    def tunnel(self) -> Pipe:
        """The first item's connection is taken over."""
        pipe: Tunnel = Pipe()
        self.front.take_over(pipe)
        assert isinstance(pipe, Pipe)
        return pipe


def answers(told: bytes) -> list[tuple[int, bytes]]:
    """(status, body) of every answer in the bytes; each must have a Content-Length."""
    found = []
    while told:
        head, mark, told = told.partition(b"\r\n\r\n")
        assert mark, head
        status = int(head.split(b" ", 2)[1])
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(lines[b"content-length"])
        found.append((status, told[:length]))
        told = told[length:]
    return found
