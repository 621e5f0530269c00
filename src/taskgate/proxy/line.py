"""One caller's connection as a transport: writing, reading held and released, the ways to end.

Reading goes on when nobody holds it; each holder has a bit of its own, so that nobody releases what another holds.
A lingering end sends what is left and the end of stream, then swallows what still comes for a short while: a close with
unread bytes would be a reset, and the reset would eat the answer on its way.
"""

from __future__ import annotations

import asyncio
from typing import Final

from taskgate.proxy.turn import NEVER, Turn
from taskgate.proxy.wire import Wire

ITEM_HOLDS: Final = 7
PIPELINE: Final = 8  # a request waits for its turn: the next ones are not read
FAULT: Final = 16  # what comes is not understood any more

LINGER_S: Final = 2.0
LINGER_BYTES: Final = 1 << 20
WRITE_LIMIT: Final = 64 << 10


class Line(asyncio.Protocol):
    """The transport half of a connection. `deadline` ends a wait for the caller, `_stall_at` one who reads nothing."""

    __slots__ = (
        "_holds", "_is_choked", "_is_lingering", "_linger_left", "_stall_at", "_stall_s", "_stalled_bytes",
        "_transport", "_turn", "_wire", "address", "deadline", "port", "scheme",
    )  # fmt: skip

    def __init__(self, turn: Turn, *, stall_s: float) -> None:
        self._turn = turn
        self.address = ""
        self.port = 0
        self.scheme = "http"
        self._transport: asyncio.Transport | None = None
        self._wire: Wire | None = None
        self._holds = 0
        self._is_choked = False
        self._is_lingering = False
        self._linger_left = LINGER_BYTES
        self._stall_s = stall_s
        self._stall_at = NEVER
        self._stalled_bytes = 0
        self.deadline = NEVER

    def write(self, piece: bytes) -> None:
        """Send bytes; nothing once the connection is lost."""
        if self._wire is not None:
            self._wire.write(piece)

    def hold(self, reason: int) -> None:
        """Stop reading until every reason was released."""
        if not self._holds and self._transport is not None:
            self._transport.pause_reading()
        self._holds |= reason

    def release(self, reason: int) -> None:
        """Take one reason back; the last one lets reading go on."""
        if self._holds & reason:
            self._holds &= ~reason
            if not self._holds and self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The caller reads more slowly than is written."""
        self._is_choked = True
        if self._transport is not None:
            self._stalled_bytes = self._transport.get_write_buffer_size()
            self._stall_at = self._turn.now + self._stall_s
        self._paced(is_open=False)

    def resume_writing(self) -> None:
        """The caller has caught up."""
        self._is_choked = False
        self._stall_at = NEVER
        self._paced(is_open=True)

    def end_writing(self) -> None:
        """Half-close; over TLS there is no such thing, and nothing happens."""
        if self._wire is not None:
            self._wire.end()

    def _paced(self, *, is_open: bool) -> None:
        """Whoever writes may go on, or has to wait."""

    def _close(self) -> None:
        """Send what was written, then close."""
        if self._wire is not None:
            self._wire.close()

    def cut(self) -> None:
        """Drop the connection at once: the other side must not take what it got for a whole answer."""
        if self._wire is not None:
            self._wire.flush()
            self._wire.abort()

    def _linger(self) -> None:
        """Send what was written, then swallow for a while what the caller still sends."""
        if self._is_lingering or self._transport is None:
            return
        self._is_lingering = True
        self.end_writing()
        self._holds = 0
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self.deadline = self._turn.now + LINGER_S

    def _swallow(self, data: bytes) -> None:
        self._linger_left -= len(data)
        if self._linger_left < 0:
            self._close()

    def _check_stall(self, now: float) -> None:
        """Cut a caller who has taken no byte of the answer for too long."""
        if self._stall_at <= now and self._transport is not None:
            waiting = self._transport.get_write_buffer_size()
            if waiting >= self._stalled_bytes:
                self.cut()
            else:
                self._stalled_bytes = waiting
                self._stall_at = now + self._stall_s
