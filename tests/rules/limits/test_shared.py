"""Limits that several gateways give out together: never more than one bucket would (INV-R1), and soon enough."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Sequence

import pytest

from taskgate.errors import Unavailable
from taskgate.limits.bucket import Rate
from taskgate.limits.drawing import Drawing
from taskgate.limits.ports import Draw, Drawn
from taskgate.limits.shared import SharedBuckets
from taskgate.stores.memory.buckets import MemoryBuckets
from taskgate.testing.clock import ManualClock

PATIENCE_S = 20.0


class Doubtful:
    """Buckets that can be away."""

    def __init__(self, clock: ManualClock) -> None:
        self.buckets = MemoryBuckets(clock)
        self.is_away = False
        self.count = 0

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        self.count += 1
        if self.is_away:
            raise Unavailable("away")
        return await self.buckets.draw(draws)


class Gateways:
    """Some gateways with one limit, played step by step."""

    def __init__(self, rate: Rate, *, amount: int) -> None:
        self.clock = ManualClock()
        self.shared = Doubtful(self.clock)
        self.away_since: float | None = None
        self.due: list[list[tuple[float, str]]] = [[] for _ in range(amount)]
        self.limits = [self._limit(number, rate, amount) for number in range(amount)]

    def _limit(self, number: int, rate: Rate, amount: int) -> SharedBuckets:
        def look(_: SharedBuckets, key: str, at: float) -> None:
            heapq.heappush(self.due[number], (at, key))

        return SharedBuckets("limit", rate, look=look, gateways=lambda: amount, away_since=lambda: self.away_since)

    async def draw(self) -> None:
        """What is due at every gateway."""
        now = self.clock.monotonic()
        for limit, due in zip(self.limits, self.due, strict=True):
            while due and due[0][0] <= now:
                at, key = heapq.heappop(due)
                if (asked := limit.draw(key, at, now=now)) is not None:
                    try:
                        (found,) = await self.shared.draw([asked])
                    except Unavailable:
                        self.away_since = now if self.away_since is None else self.away_since
                        limit.drawn(key, asked, found=None, now=now)
                    else:
                        self.away_since = None
                        limit.drawn(key, asked, found=found, now=now)


@pytest.mark.parametrize("seed", range(5))
async def test_inv_r1_over_all_gateways_together(seed: int) -> None:
    """Over every window: at most burst + rate * w, however calls come and whoever they come to."""
    rng = random.Random(seed)
    rate, amount = Rate(rate=rng.choice((5.0, 40.0)), burst=float(rng.randrange(12, 60))), rng.randrange(1, 5)
    house = Gateways(rate, amount=amount)
    admitted: list[float] = []
    for _ in range(1500):
        now = house.clock.monotonic()
        asked = [rng.choice(house.limits) for _ in range(rng.choice((0, 0, 1, 3, 30)))]
        admitted += [now for limit in asked if limit.take("key", now) == 0.0]
        if rng.random() < 0.8:
            await house.draw()
        house.clock.advance(rng.choice((0.001, 0.01, 0.1, 3.0 if rng.random() < 0.02 else 0.0)))
    assert len(admitted) > rate.burst
    fewest = min(
        rate.burst + rate.rate * (late - admitted[first]) - (last - first + 1)
        for first in range(0, len(admitted), 3)
        for last, late in list(enumerate(admitted))[first : first + 300 : 7]
    )
    assert fewest >= -1e-6, f"seed {seed}: {-fewest} too many"


async def test_the_whole_rate_is_given_out() -> None:
    """Two gateways that are asked far too much give out all that there is, not less."""
    rate = Rate(rate=50.0, burst=20.0)
    house = Gateways(rate, amount=2)
    count = 0
    for _ in range(2000):
        now = house.clock.monotonic()
        count += sum(limit.take("key", now) == 0.0 for limit in house.limits)
        await house.draw()
        house.clock.advance(0.01)
    assert 0.97 * (20 + 50 * 20) <= count <= 20 + 50 * 20


async def test_what_is_full_is_forgotten() -> None:
    house = Gateways(Rate(rate=10.0, burst=10.0), amount=2)
    for number in range(100):
        house.limits[0].take(f"key {number}", house.clock.monotonic())
    for _ in range(100):
        await house.draw()
        house.clock.advance(0.1)
    assert len(house.limits[0]) == 0
    assert house.due[0] == []


async def test_while_away_each_gives_out_its_part() -> None:
    """No more than a part of the rate each; afterwards the shared bucket again."""
    house = Gateways(Rate(rate=30.0, burst=6.0), amount=3)
    house.shared.is_away = True
    counts = [0, 0, 0]
    for _ in range(1000):
        now = house.clock.monotonic()
        counts = [count + (limit.take("k", now) == 0.0) for count, limit in zip(counts, house.limits, strict=True)]
        await house.draw()
        house.clock.advance(0.01)
    assert all(0.9 * 100 <= count <= 100 + 2 for count in counts), counts
    house.shared.is_away = False
    for _ in range(300):
        await house.draw()
        house.clock.advance(0.01)
    assert house.away_since is None


def test_headers_tell_what_is_left() -> None:
    house = Gateways(Rate(rate=1.0, burst=10.0), amount=1)
    limit, now = house.limits[0], house.clock.monotonic()
    assert limit.full_at("key") < now
    for taken in range(1, 4):
        assert limit.take("key", now) == 0.0
        assert limit.full_at("key") - now == pytest.approx(taken)


async def test_drawing_fills_purses_in_few_calls(caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds of keys cost a handful of calls; being away is told once, and coming back as well."""
    clock = ManualClock()
    shared = Doubtful(clock)

    async def count_gateways() -> int:
        return 2

    drawing = Drawing(shared, count_gateways=count_gateways, monotonic=clock.monotonic)
    await drawing.start()
    try:
        limit = drawing.limit("limit", Rate(rate=100.0, burst=40.0))
        await until(lambda: drawing.gateways == 2)
        for number in range(300):
            for _ in range(10):
                assert limit.take(f"key {number}", clock.monotonic()) == 0.0
            assert limit.take(f"key {number}", clock.monotonic()) > 0.0
        await until(lambda: limit.take("key 299", clock.monotonic()) == 0.0)
        assert shared.count <= 4
        shared.is_away = True
        for _ in range(3):
            clock.advance(2.0)
            limit.take("other", clock.monotonic())
            drawing._news.set()
            await until(lambda: drawing.away_since is not None)
        shared.is_away = False
        clock.advance(2.0)
        limit.take("other", clock.monotonic())
        drawing._news.set()
        await until(lambda: drawing.away_since is None)
    finally:
        await drawing.stop()
    said = [record.message for record in caplog.records]
    assert [text.split(" (")[0] for text in said] == ["shared limits are away", "shared limits are back"]


async def until(is_so: object) -> None:
    """Wait for a condition."""
    assert callable(is_so)
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
