"""F9, F10, F20 with two whole gateways: Redis is killed, comes back empty, is emptied; everything is said twice.

No worker is there while Redis is lost, so what its queue holds afterwards can be counted in Redis itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.system.cluster import Caller, GatewayProcess, SimpleWorker
from tests.system.pair import Pair

pytestmark = pytest.mark.system

RUNS = 5_000
PAGE = 1_000
AGAIN_S = 1.5  # 100,000 in 30 s are 5,000 in 1.5
NOTICED_S = 5.0  # dispatch is back so soon after Redis is
MACHINE_S = 4.0
TWICE = 60


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pair(tmp_path: Path, postgres: Postgres, own_redis: Redis) -> Iterator[Pair]:
    made = Pair(tmp_path, postgres.new_database(), own_redis.url)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
async def session(pair: Pair) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"X-API-Key": pair.one.admin_key}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=60)) as made:
        yield made


async def test_f9_f10_a_lost_index_is_filled_again(
    pair: Pair, session: aiohttp.ClientSession, own_redis: Redis
) -> None:
    await lost_twice(pair, session, own_redis, runs=RUNS, again_s=AGAIN_S)


@pytest.mark.soak
async def test_f10_a_hundred_thousand_runs_are_queued_again(
    pair: Pair, session: aiohttp.ClientSession, own_redis: Redis
) -> None:
    await lost_twice(pair, session, own_redis, runs=100_000, again_s=30.0 - NOTICED_S - MACHINE_S)


async def lost_twice(pair: Pair, session: aiohttp.ClientSession, redis: Redis, *, runs: int, again_s: float) -> None:
    """INV-T8: emptied, and killed and back empty; each run is in the queue again, once; submits never stop."""
    async with session.put(f"{pair.one.url}/v1/tasks/t", json={"targets": [{"kind": "workers"}]}) as answer:
        assert answer.status in (200, 201), await answer.text()
    for number in range(runs // PAGE):
        await submit_page(session, (pair.one, pair.two)[number % 2], number)
    await until(lambda: waiting(redis) == runs, NOTICED_S + MACHINE_S)
    redis.kill()
    began = time.monotonic()
    async with session.post(f"{pair.one.url}/v1/tasks/t/runs", json={"input": "while it is away"}) as answer:
        assert answer.status == 202, await answer.text()
    assert time.monotonic() - began < MACHINE_S
    redis.start()
    back_s = await until(lambda: waiting(redis) == runs + 1, again_s + NOTICED_S + MACHINE_S)
    redis.command("FLUSHALL")
    async with session.post(f"{pair.two.url}/v1/tasks/t/runs", json={"input": "into nothing"}) as answer:
        assert answer.status == 202, await answer.text()  # an offer to an emptied queue finds out
    again_s = await until(lambda: waiting(redis) == runs + 2, again_s + NOTICED_S + MACHINE_S)
    print(f"\n{runs} runs: queued again {back_s:.1f} s after Redis came back empty, {again_s:.1f} s after FLUSHALL")


async def submit_page(session: aiohttp.ClientSession, gateway: GatewayProcess, page: int) -> None:
    items = [{"input": number, "idempotency_key": f"{page}-{number}"} for number in range(PAGE)]
    async with session.post(f"{gateway.url}/v1/tasks/t/runs/batch", json={"items": items}) as answer:
        assert answer.status in (200, 202, 207), await answer.text()


def waiting(redis: Redis) -> int:
    """How many runs the queues in Redis hold."""
    keys = redis.command("KEYS", "*:ready:runs").splitlines()
    return sum(int(redis.command("HLEN", key)) for key in keys)


async def until(claim: Callable[[], bool], within_s: float) -> float:
    """Wait for the claim; the seconds it took."""
    began = time.monotonic()
    while not await asyncio.to_thread(claim):
        assert time.monotonic() - began < within_s, "it did not come true in time"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def test_f20_said_twice_at_two_gateways_done_once(pair: Pair, session: aiohttp.ClientSession) -> None:
    """Each submit goes to both at the same moment, each result is sent twice: one run, one end."""
    workers = [SimpleWorker(gateway, f"echo-{gateway.port}", says_times=2) for gateway in (pair.one, pair.two)]
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    callers = [Caller(gateway, session) for gateway in (pair.one, pair.two)]
    try:
        pairs = await asyncio.gather(*(submitted_at_both(callers, number) for number in range(TWICE)))
        assert all(len(set(ids)) == 1 for ids in pairs), "a key gave two runs"
        ended = [await callers[number % 2].until_ended(ids[0]) for number, ids in enumerate(pairs)]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert [run["output"] for run in ended] == list(range(TWICE))
    assert {run["status"] for run in ended} == {"succeeded"}
    assert [len(run["attempts"]) for run in ended] == [1] * TWICE
    done = workers[0].done | workers[1].done
    assert sum(sum(worker.done.values()) for worker in workers) == TWICE == len(done)


async def submitted_at_both(callers: list[Caller], number: int) -> list[str]:
    return list(await asyncio.gather(*(caller.submit("echo", f"twice-{number}", number) for caller in callers)))
