"""When the janitor has to look next: sooner than its next sweep if somebody knows of a timer.

Only a hint that saves up to a sweep of delay. The ledger has every timer; an alarm that is lost costs nothing else.
"""

from __future__ import annotations

import asyncio
import heapq

from taskgate.clock import Clock

MOST = 100_000


class Alarm:
    """Moments (wall seconds) at which something is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moments: list[float] = []
        self._sooner = asyncio.Event()

    def remind(self, at: float) -> None:
        """Something is due at that moment."""
        if not self._moments or at < self._moments[0]:
            self._sooner.set()
        if len(self._moments) < MOST:
            heapq.heappush(self._moments, at)

    async def wait(self, at_most_s: float) -> None:
        """Return at the next known moment, at the latest after `at_most_s`."""
        deadline = self._clock.monotonic() + at_most_s
        while (left_s := deadline - self._clock.monotonic()) > 0:
            now = self._clock.now()
            if self._moments and self._moments[0] <= now:
                while self._moments and self._moments[0] <= now:
                    heapq.heappop(self._moments)
                return
            until_s = min(left_s, self._moments[0] - now) if self._moments else left_s
            self._sooner.clear()
            try:
                await asyncio.wait_for(self._sooner.wait(), until_s + 0.001)
            except TimeoutError:
                continue
