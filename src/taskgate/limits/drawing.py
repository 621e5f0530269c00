"""Filling the purses of shared rate limits: all that is due is drawn in one call, ahead of those who need it.

While the shared buckets are away, each gateway gives out its own part of every rate, and says so once.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from taskgate.errors import NotNow, StoreError
from taskgate.lifespan import TaskSet
from taskgate.limits.bucket import Rate
from taskgate.limits.ports import Buckets, Draw, Drawn
from taskgate.limits.shared import SharedBuckets

_log = logging.getLogger(__name__)
STEP = 500
COUNT_S = 5.0
Due = tuple[float, int, SharedBuckets, str]


class Drawing:
    """A part. `count_gateways` tells how many give out the same limits, this one included."""

    def __init__(
        self,
        buckets: Buckets,
        *,
        count_gateways: Callable[[], Awaitable[int]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._buckets = buckets
        self._count_gateways = count_gateways
        self._monotonic = monotonic
        self._due: list[Due] = []
        self._numbers = count()
        self._news = asyncio.Event()
        self.gateways = 1
        self.away_since: float | None = None
        self.tasks = TaskSet()

    async def start(self) -> None:
        if self._count_gateways is not None:
            self.tasks.spawn(self._count(self._count_gateways), name="gateways that share limits")
        self.tasks.spawn(self._work(), name="shared limits")

    async def stop(self) -> None:
        await self.tasks.close()

    def limit(self, name: str, rate: Rate) -> SharedBuckets:
        """The buckets of one limit, which has the same name at every gateway."""
        return SharedBuckets(
            name, rate, look=self._look, gateways=lambda: self.gateways, away_since=lambda: self.away_since
        )

    def _look(self, limit: SharedBuckets, key: str, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), limit, key))
        self._news.set()

    async def _work(self) -> None:
        while True:
            now = self._monotonic()
            if not self._due or self._due[0][0] > now:
                self._news.clear()
                wait_s = self._due[0][0] - now if self._due else None
                try:
                    await asyncio.wait_for(self._news.wait(), wait_s)
                except TimeoutError:
                    continue
                continue
            await self._draw(self._step(now), now)

    def _step(self, now: float) -> list[tuple[SharedBuckets, str, Draw]]:
        step: list[tuple[SharedBuckets, str, Draw]] = []
        while self._due and self._due[0][0] <= now and len(step) < STEP:
            at, _, limit, key = heapq.heappop(self._due)
            draw = limit.draw(key, at, now=now)
            if draw is not None:
                step.append((limit, key, draw))
        return step

    async def _draw(self, step: list[tuple[SharedBuckets, str, Draw]], now: float) -> None:
        found: Sequence[Drawn | None]
        try:
            found = await self._buckets.draw([draw for _, _, draw in step]) if step else []
            if self.away_since is not None and step:
                _log.warning("shared limits are back")
                self.away_since = None
        except (NotNow, StoreError) as error:
            if self.away_since is None:
                _log.warning("shared limits are away (%s): this gateway gives out 1/%d of each", error, self.gateways)
                self.away_since = now
            found = [None] * len(step)
        now = self._monotonic()
        for (limit, key, draw), one in zip(step, found, strict=True):
            limit.drawn(key, draw, found=one, now=now)

    async def _count(self, count_gateways: Callable[[], Awaitable[int]]) -> None:
        while True:
            try:
                self.gateways = max(1, await count_gateways())
            except (NotNow, StoreError) as error:
                _log.debug("the number of gateways is not known: %s", error)
            await asyncio.sleep(COUNT_S)
