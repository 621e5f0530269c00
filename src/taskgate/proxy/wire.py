"""The writing side of a connection: small pieces of one turn of the loop leave together, at its end.

Each write to a socket wakes whoever reads it, which costs more than everything else about a small request; when many
sockets have something to say in one turn, they say it one after the other at the end of it. Large pieces go out at
once, behind what waits: joining them would copy them. Order is kept because everything goes through here, ends too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LARGE_BYTES = 16 << 10
FEW = 8
Soon = Callable[[Callable[[], None]], object]


class Outgoing:
    """The wires that have something to send at the end of this turn. `soon` calls something then: the running loop
    does, unless another is given. Where only a few wires stand (`is_quiet`) waiting gains nothing: they send at once.
    """

    __slots__ = ("_soon", "_wires", "count", "is_quiet")

    def __init__(self, soon: Soon | None = None) -> None:
        self._soon = soon
        self._wires: list[Wire] = []
        self.count = 0
        self.is_quiet = True

    def changed(self, by: int) -> None:
        """So many more wires stand."""
        self.count += by
        self.is_quiet = self.count < FEW

    def add(self, wire: Wire) -> None:
        """Flush this wire at the end of the turn."""
        self._wires.append(wire)
        if len(self._wires) == 1:
            soon = self._soon
            if soon is None:
                soon = self._soon = asyncio.get_running_loop().call_soon
            soon(self._flush)

    def _flush(self) -> None:
        wires, self._wires = self._wires, []
        for wire in wires:
            wire.flush()


class Wire:
    """What is written to one transport. Nothing is written once it is closing."""

    __slots__ = ("_outgoing", "_waiting", "transport")

    def __init__(self, transport: asyncio.Transport, outgoing: Outgoing) -> None:
        self.transport = transport
        self._outgoing = outgoing
        self._waiting: list[bytes] | None = None
        outgoing.changed(1)

    def write(self, piece: bytes) -> None:
        """Send a piece, at the end of this turn at the latest."""
        waiting = self._waiting
        if waiting is None:
            if len(piece) >= LARGE_BYTES or self._outgoing.is_quiet:
                self.transport.write(piece)
            else:
                self._waiting = [piece]
                self._outgoing.add(self)
        elif len(piece) >= LARGE_BYTES:
            self.flush()
            self.transport.write(piece)
        else:
            waiting.append(piece)

    def flush(self) -> None:
        """Send what waits."""
        waiting, self._waiting = self._waiting, None
        if waiting and not self.transport.is_closing():
            self.transport.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    def left(self) -> None:
        """The connection is gone, or somebody else writes to it."""
        self.flush()
        self._outgoing.changed(-1)

    def end(self) -> None:
        """Send what waits, and no more after it; where the transport can do that (not over TLS)."""
        self.flush()
        transport = self.transport
        if not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()

    def close(self) -> None:
        """Send what waits, then close."""
        self.flush()
        self.transport.close()

    def abort(self) -> None:
        """Cut the connection; what waits is not sent."""
        self._waiting = None
        self.transport.abort()
