"""The contract of `Buckets`: however many gateways draw, a bucket gives no more than it may (INV-R1).

class TestMyBuckets(BucketsContract):
    @pytest.fixture
    async def stores(self): ...
"""

from __future__ import annotations

import asyncio
import time

import pytest

from taskgate.limits.ports import Buckets, Draw

SLOW = 1e-3  # tokens per second: none comes while a test runs
PATIENCE_S = 20.0


def draw(bucket: str, *, rate: float = SLOW, burst: float = 10.0, wanted: float = 1.0) -> Draw:
    """A draw from a bucket that hardly fills."""
    return Draw(bucket=bucket, rate=rate, burst=burst, wanted=wanted)


class BucketsContract:
    """Fixture: `stores`, two adapters on one store, as two gateways have them."""

    async def test_a_bucket_is_full_at_first_and_shared(self, stores: tuple[Buckets, Buckets]) -> None:
        one, other = stores
        given = [(await stores[turn % 2].draw([draw("b")]))[0].given for turn in range(12)]
        assert given == [1.0] * 10 + [0.0] * 2
        (refused,) = await one.draw([draw("b")])
        assert refused.left < 0.1
        assert 900.0 < refused.wait_s <= 1000.0
        assert (await other.draw([draw("another")]))[0].given == 1.0

    async def test_what_is_there_is_given(self, stores: tuple[Buckets, Buckets]) -> None:
        """All that is wanted, else the whole tokens that there are; every draw of a batch sees those before it."""
        one, other = stores
        verdicts = await one.draw([draw("b", wanted=7.0), draw("c", wanted=2.5), draw("b", wanted=7.0), draw("b")])
        assert [verdict.given for verdict in verdicts] == [7.0, 2.5, 3.0, 0.0]
        assert verdicts[0].left == pytest.approx(3.0, abs=0.1)
        assert verdicts[0].wait_s == 0.0
        (rest,) = await other.draw([draw("c", wanted=100.0)])
        assert rest.given == 7.0
        assert rest.left == pytest.approx(0.5, abs=0.1)
        assert await one.draw([]) == []

    async def test_it_fills_as_time_goes_by(self, stores: tuple[Buckets, Buckets]) -> None:
        one, other = stores
        rate, began, drawn = 200.0, time.monotonic(), 0.0
        async with asyncio.timeout(PATIENCE_S):
            while drawn < 60.0:
                for store in (one, other):
                    (verdict,) = await store.draw([draw("b", rate=rate, wanted=5.0)])
                    drawn += verdict.given
                    elapsed_s = time.monotonic() - began
                    assert drawn <= 10.0 + rate * elapsed_s + 1e-3, "INV-R1"
                await asyncio.sleep(0.005)

    async def test_many_gateways_at_once_get_no_more(self, stores: tuple[Buckets, Buckets]) -> None:
        """INV-R1 over all gateways together."""
        drawing = [stores[turn % 2].draw([draw("b", burst=50.0, wanted=3.0)] * 2) for turn in range(40)]
        drawn = sum(verdict.given for verdicts in await asyncio.gather(*drawing) for verdict in verdicts)
        assert drawn == 50.0

    async def test_a_bucket_that_never_holds_one_says_so(self, stores: tuple[Buckets, Buckets]) -> None:
        (verdict,) = await stores[0].draw([draw("b", burst=0.5)])
        assert verdict.given == 0.0
        assert verdict.wait_s == float("inf")
