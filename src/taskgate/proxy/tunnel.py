"""The raw pipe between a caller and an upstream after 101: bytes both ways, nothing is looked at.

Each direction ends by itself: an end of stream is passed on and the other direction goes on. Who reads slowly slows
down the other side, so that nothing piles up here. Silence for `idle_s` in both directions ends both.
A connection that is lost on one side is cut on the other; over TLS there is no half-close, so an end ends both.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from taskgate.proxy.ports import Front, Item
from taskgate.proxy.upstream import Upstream

_HOLD_RELAY = 4


class Relay:
    """What both sides of a tunnel share. `ended(bytes_in, bytes_out)` is called once, at the end."""

    __slots__ = ("_ended", "_idle_s", "bytes_in", "bytes_out", "front", "has_caller_ended", "has_upstream_ended",
                 "is_over", "item", "upstream")  # fmt: skip

    def __init__(
        self, front: Front, upstream: Upstream, *, item: Item, idle_s: float, ended: Callable[[int, int], None]
    ) -> None:
        self.front = front
        self.upstream = upstream
        self.item = item
        self._idle_s = idle_s
        self._ended = ended
        self.bytes_in = 0
        self.bytes_out = 0
        self.has_caller_ended = False
        self.has_upstream_ended = False
        self.is_over = False
        upstream.raw = UpstreamSide(self)
        self.touch()

    def touch(self) -> None:
        """Something moved: the idle limit begins anew."""
        self.item.deadline = time.monotonic() + self._idle_s

    def end_if_both(self) -> None:
        """Both directions have ended: so has the tunnel."""
        if self.has_caller_ended and self.has_upstream_ended and self._closes():
            self.upstream.wire.close()
            self.front.finished(keep_alive=False)

    def cut(self, *, caller: bool = True) -> None:
        """End both connections at once; `caller`: its own too."""
        if self._closes():
            self.upstream.wire.abort()
            if caller:
                self.front.abort()

    def lost_upstream(self) -> None:
        """What was sent still reaches the caller; then its connection ends."""
        if self._closes():
            self.front.finished(keep_alive=False)

    def _closes(self) -> bool:
        if self.is_over:
            return False
        self.is_over = True
        self.upstream.raw = None
        self._ended(self.bytes_in, self.bytes_out)
        return True


class CallerSide:
    """Gets what the caller sends."""

    __slots__ = ("_relay",)

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def received(self, data: bytes) -> None:
        relay = self._relay
        relay.touch()
        relay.bytes_in += len(data)
        if not relay.is_over:
            relay.upstream.wire.write(data)

    def ended(self) -> None:
        relay = self._relay
        if relay.is_over or relay.has_caller_ended:
            return
        relay.has_caller_ended = True
        wire = relay.upstream.wire
        if wire.transport.can_write_eof():
            wire.end()
            relay.end_if_both()
        else:
            relay.cut()

    def lost(self) -> None:
        self._relay.cut(caller=False)

    def pace(self, *, is_open: bool) -> None:
        transport = self._relay.upstream.transport
        if transport.is_closing():
            return
        if is_open:
            transport.resume_reading()
        else:
            transport.pause_reading()


class UpstreamSide:
    """Gets what the upstream sends."""

    __slots__ = ("_relay",)

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def came(self, piece: bytes) -> None:
        relay = self._relay
        relay.touch()
        relay.bytes_out += len(piece)
        if not relay.is_over:
            relay.front.write(piece)

    def came_end(self) -> None:
        relay = self._relay
        if relay.is_over or relay.has_upstream_ended:
            return
        relay.has_upstream_ended = True
        relay.front.end_writing()
        relay.end_if_both()

    def gone(self) -> None:
        self._relay.lost_upstream()

    def paced(self, *, is_open: bool) -> None:
        if is_open:
            self._relay.front.release(_HOLD_RELAY)
        else:
            self._relay.front.hold(_HOLD_RELAY)
