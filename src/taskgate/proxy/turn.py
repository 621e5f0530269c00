"""One sweep for all deadlines of a gateway's connections, and the coarse clock they are set by.

No timer per request: a connection writes a moment into a field, the sweep looks at all of them a few times a second.
`now` is as old as the last sweep at most, so a deadline may be late by two periods and is never early by more than one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from taskgate.clock import Clock, SystemClock
from taskgate.proxy.wire import Outgoing

_log = logging.getLogger(__name__)
PERIOD_S = 0.5
READING_S = 0.05
NEVER = float("inf")


class Timed(Protocol):
    """Something with deadlines."""

    def sweep(self, now: float) -> None:
        """Do what is due at this moment."""
        ...


class Turn:
    """The sweep. Everything in `timed` is looked at in every period while it runs; `outgoing` is what its connections
    send at the end of a turn of the loop."""

    def __init__(
        self, clock: Clock | None = None, *, period_s: float = PERIOD_S, outgoing: Outgoing | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._period_s = period_s
        self._timer: asyncio.TimerHandle | None = None
        self.timed: set[Timed] = set()
        self.outgoing = outgoing or Outgoing()
        self.monotonic = self._clock.monotonic
        self.now = self.monotonic()

    def add(self, timed: Timed) -> None:
        """Sweep this one too, from now on."""
        self.timed.add(timed)
        if self._timer is None:
            self.now = self.monotonic()
            self._timer = asyncio.get_running_loop().call_later(self._period_s, self._tick)

    def soon(self, act: Callable[[], None]) -> None:
        """Call this at the next turn of the loop."""
        asyncio.get_running_loop().call_soon(act)

    def after_reading(self, act: Callable[[], None]) -> None:
        """Call this soon, and not before everything that has arrived by now was read: sockets are looked at between
        two rounds of the loop, and the first round after a wait may still be the one that a burst has filled."""
        loop = asyncio.get_running_loop()
        loop.call_later(READING_S, loop.call_soon, loop.call_soon, act)

    def discard(self, timed: Timed) -> None:
        """Leave it alone from now on."""
        self.timed.discard(timed)

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        if self.timed:
            self._timer = asyncio.get_running_loop().call_later(self._period_s, self._tick)

    def sweep(self) -> None:
        """Take the time and look at everything once."""
        self.now = now = self.monotonic()
        for timed in tuple(self.timed):
            try:
                timed.sweep(now)
            except Exception:
                _log.exception("a connection failed at its deadline")
