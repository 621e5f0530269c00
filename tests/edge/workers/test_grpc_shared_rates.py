"""INV-R1 over all gateways: who calls several of them makes no more calls than the rate allows at one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from taskgate.clock import SystemClock
from taskgate.edge.grpc.rates import NAME, CallRates
from taskgate.errors import Limited
from taskgate.lifespan import Part
from taskgate.limits.bucket import Rate
from taskgate.limits.drawing import Drawing
from taskgate.stores.redis.buckets import RedisBuckets
from taskgate.stores.redis.connection import RedisConnection
from tests.edge.workers.doors import open_doors
from tests.edge.workers.stranger import Contract, Stranger
from tests.servers.redis import Redis

RATE = Rate(rate=40.0, burst=20.0)
GATEWAYS = 2
SLOWLY = {"rate_limit_rate": 0.1}  # so that what was drawn is still missing when it is looked for


async def count() -> int:
    return GATEWAYS


@asynccontextmanager
async def gateways(url: str) -> AsyncIterator[list[CallRates]]:
    """The rates of two gateways on one Redis, each with a connection of its own."""
    connections = [RedisConnection(url) for _ in range(GATEWAYS)]
    drawings = [Drawing(RedisBuckets(one, namespace="t"), count_gateways=count) for one in connections]
    parts: list[Part] = [*connections, *drawings]
    for part in parts:
        await part.start()
    try:
        while any(drawing.gateways != GATEWAYS for drawing in drawings):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield [CallRates(SystemClock(), RATE, shared=drawing.limit) for drawing in drawings]
    finally:
        for part in reversed(parts):
            await part.stop()


async def admitted(rates: list[CallRates], *, for_s: float) -> tuple[int, float]:
    """Call all of them as often as they let one: how many calls were let in, and in how many seconds."""
    let_in, began, waits = 0, time.monotonic(), [1.0]
    while time.monotonic() - began < for_s:
        for one in rates:
            try:
                left = await one.take("key-1")
            except Limited as error:
                waits.append(error.retry_after_s)
            else:
                assert (left or 0) <= RATE.burst
                let_in += 1
        await asyncio.sleep(0.002)
    assert min(waits) > 0
    return let_in, time.monotonic() - began


async def test_inv_r1_two_gateways_give_out_one_rate(redis_url: str) -> None:
    async with gateways(redis_url) as rates:
        let_in, spent_s = await admitted(rates, for_s=1.5)
        assert let_in <= RATE.burst + RATE.rate * spent_s + 1
        assert let_in >= RATE.burst + RATE.rate * spent_s * 0.3  # neither is it given to nobody
        assert await rates[1].take("key-2") is not None  # another credential has a rate of its own


async def test_inv_r1_each_gives_out_its_part_while_redis_is_away(tmp_path: Path) -> None:
    server = Redis(tmp_path / "redis")
    server.start()
    try:
        async with gateways(server.url) as rates:
            await admitted(rates, for_s=0.3)
            server.kill()
            await admitted(rates, for_s=0.5)  # until they know
            let_in, spent_s = await admitted(rates, for_s=1.0)
            assert 1 <= let_in <= RATE.burst + RATE.rate * spent_s + 1
    finally:
        server.kill()


@pytest.mark.parametrize("is_shared", [True, False])
async def test_a_gateway_with_a_redis_draws_its_calls_from_it(
    tmp_path: Path, redis: Redis, redis_url: str, is_shared: bool
) -> None:
    contract = Contract(tmp_path)
    async with open_doors(tmp_path, grpc=SLOWLY, redis_url=redis_url if is_shared else "") as doors:
        stranger = Stranger(contract, doors.channel, doors.worker_key)
        for _ in range(3):
            await stranger.call("Heartbeat")
        assert 0 < int(stranger.trailers["x-ratelimit-remaining"]) < 200
        deadline = time.monotonic() + 20
        while bool(redis.command("KEYS", f"*{NAME}*")) is not is_shared:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
