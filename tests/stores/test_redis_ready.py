"""The ready queue on Redis holds its contract, for several gateways together, and answers as the one in memory."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskgate.runs.ports import QueuedRef, ReadyQueue
from taskgate.runs.task import QueueKey
from taskgate.stores.memory.ready import MemoryReadyQueue
from taskgate.stores.redis.ready import RedisReadyQueue
from taskgate.testing.contracts.ready import A, ReadyQueueContract, SharedReadyQueueContract, ref, refs
from tests.servers.redis import Redis
from tests.stores.gateways import joined, joined_twice

PATIENCE_S = 20.0
QUEUES = [QueueKey(task=f"task-{number}") for number in range(4)]
SITES = ("s0", "s1", "s2")


@pytest.fixture
async def ready(redis_url: str) -> AsyncIterator[RedisReadyQueue]:
    async with joined(redis_url) as gateway:
        yield gateway.ready


@pytest.fixture
async def twins(redis_url: str) -> AsyncIterator[tuple[RedisReadyQueue, RedisReadyQueue]]:
    async with joined_twice(redis_url) as (one, other):
        yield one.ready, other.ready


class TestRedisReadyQueue(ReadyQueueContract):
    """One gateway."""


class TestSharedRedisReadyQueue(SharedReadyQueueContract):
    """Two gateways."""


@pytest.mark.parametrize("seed", range(6))
async def test_answers_as_in_memory(ready: RedisReadyQueue, seed: int) -> None:
    """Whatever is offered, moved, withdrawn and taken by whom: the same runs in the same order, one by one."""
    rng, model = random.Random(seed), MemoryReadyQueue()
    known: list[QueuedRef] = []
    for _ in range(150):
        made = [
            ref(rng.choice(QUEUES), site=rng.choice(SITES), priority=rng.choice((-2, 0, 3)))
            for _ in range(rng.randrange(12))
        ]
        moved = [
            ref(rng.choice(QUEUES), site=one.site_id, priority=rng.choice((-1, 0, 1)), run_id=one.run_id)
            for one in rng.sample(known, min(len(known), rng.randrange(3)))
        ]
        twice = [
            ref(rng.choice(QUEUES), site=one.site_id, priority=rng.choice((-1, 0, 1)), run_id=one.run_id)
            for one in rng.sample(made, min(len(made), rng.randrange(3)))
        ]
        gone = rng.sample(known, min(len(known), rng.randrange(2)))
        queues = rng.sample(QUEUES, rng.randrange(1, 4))
        limit, site_id = rng.randrange(1, 12), rng.choice((None, None, *SITES))
        taken = []
        for queue in (model, ready):
            one_queue: ReadyQueue = queue
            await one_queue.offer([*made, *moved, *twice])
            for one in gone:
                await one_queue.withdraw(one.run_id)
            taken.append(await one_queue.take(queues, limit, site_id=site_id))
        assert taken[0] == taken[1], f"seed {seed}"
        known = (known + made)[-40:]
        assert await model.depth() == await ready.depth()


async def test_empty_queues_leave_nothing_behind(ready: RedisReadyQueue, redis: Redis) -> None:
    """One small key stays, whatever went through; queues that drained beside a run that nobody takes are few."""
    stuck = ref(A)
    await ready.offer([stuck])
    for number in range(1200):
        queue = QueueKey(task=f"task-{number}")
        await ready.offer([ref(queue, priority=number % 3 - 1, site=f"site-{number}")])
        assert len(await ready.take([queue], 2)) == 1
    assert int(redis.command("ZCARD", "tg:ready:drained")) <= 1000
    assert len(redis.command("KEYS", "*").split()) <= 8
    await ready.withdraw(stuck.run_id)
    assert redis.command("KEYS", "*").split() == ["tg:ready:state"]


async def test_f10_who_takes_from_an_emptied_index_says_so(ready: RedisReadyQueue, redis: Redis) -> None:
    """FLUSHALL cuts no connection: the next that looks finds the index lost, once, and listeners are told."""
    await ready.offer(refs(3))
    signal = ready.listen()
    redis.command("FLUSHALL")
    assert await ready.take([A], 10) == []
    async with asyncio.timeout(PATIENCE_S):
        assert await signal.changed() == set()
    again = refs(2)
    await ready.offer(again)
    assert await ready.take([A], 10) == again
    async with asyncio.timeout(PATIENCE_S):
        assert await signal.changed() == {A}
    signal.close()


async def test_f10_an_offer_to_an_emptied_index_says_so(ready: RedisReadyQueue, redis: Redis) -> None:
    signal = ready.listen()
    redis.command("FLUSHALL")
    await ready.offer(refs(1))
    heard: list[set[QueueKey]] = []
    async with asyncio.timeout(PATIENCE_S):
        while set() not in heard or {A} not in heard:
            heard.append(await signal.changed())
    signal.close()


async def test_many_runs_are_put_back_fast(ready: RedisReadyQueue) -> None:
    """F10: 100,000 in 30 s are 3,334 a second; 20,000 here within 6 s."""
    offered = refs(20_000)
    began = asyncio.get_running_loop().time()
    for start in range(0, len(offered), 1000):
        await ready.offer(offered[start : start + 1000])
    assert asyncio.get_running_loop().time() - began < 6.0
    assert await ready.depth() == {A: 20_000}


async def test_names_are_taken_apart_as_they_were_put_together(ready: RedisReadyQueue) -> None:
    """Sites and labels with any letter in them share neither a line nor a band."""
    strange = [
        ref(QueueKey(task="a", version="1", labels=(("x", 'y"]\n0["b'),)), site="s"),
        ref(QueueKey(task="a", version="1"), site='"\n1["a","1",[]]\ns'),
        ref(QueueKey(task="ä", labels=(("gpu", ""),)), site="ü:{}"),
    ]
    await ready.offer(strange)
    assert await ready.depth() == {one.queue: 1 for one in strange}
    for one in strange:
        assert await ready.take([one.queue], 5, site_id=one.site_id) == [one]


async def test_what_is_offered_in_one_turn_goes_in_together(ready: RedisReadyQueue, redis: Redis) -> None:
    """One step of the server and one piece of news, however many offered; who is cancelled withdraws nothing."""
    offered = refs(20)
    await ready.offer(offered[:1])
    before = _published(redis)
    calls = [asyncio.ensure_future(ready.offer([one])) for one in offered[1:]]
    await asyncio.sleep(0)
    calls[3].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert _published(redis) == before + 1
    assert await ready.take([A], 50) == offered


def _published(redis: Redis) -> int:
    told = redis.command("INFO", "commandstats").partition("cmdstat_publish:calls=")[2]
    return int(told.partition(",")[0] or 0)


async def test_f10_a_server_that_comes_back_ends_the_longest_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses are told less and less often while they go on; a return is told at once all the same."""
    monkeypatch.setattr("taskgate.stores.redis.ready.pauses", lambda _: itertools.repeat(3600.0))
    server = Redis(tmp_path / "redis")
    server.start()
    try:
        async with joined(server.url) as gateway:
            server.kill()
            while gateway.connection.is_up:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await gateway.ready.offer(refs(1))  # left to the ledger: that is a loss, and the pause begins
            await asyncio.sleep(0.05)
            signal = gateway.ready.listen()
            server.start()
            async with asyncio.timeout(PATIENCE_S):
                assert await signal.changed() == set()
    finally:
        server.stop()
