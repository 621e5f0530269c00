"""Buckets, one-use values and the board hold their contracts in memory and on Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from taskgate.clock import SystemClock
from taskgate.errors import Unauthenticated
from taskgate.fleet.ports import Board
from taskgate.identity.ports import OneUse
from taskgate.identity.principal import Principal
from taskgate.identity.tickets import Tickets
from taskgate.journal.ports import TailRelay
from taskgate.limits.ports import Buckets
from taskgate.stores.memory.board import MemoryBoard
from taskgate.stores.memory.buckets import SWEEP_COUNT, MemoryBuckets
from taskgate.stores.memory.one_use import MemoryOneUse
from taskgate.stores.memory.relay import MemoryTailRelay
from taskgate.stores.redis.store import RedisStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.board import BoardContract
from taskgate.testing.contracts.buckets import BucketsContract, draw
from taskgate.testing.contracts.one_use import OneUseContract
from taskgate.testing.contracts.relays import TailRelayContract
from tests.servers.redis import Redis
from tests.stores.gateways import NAMESPACE, joined_twice

PATIENCE_S = 20.0


@pytest.fixture
async def twins(redis_url: str) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    async with joined_twice(redis_url) as both:
        yield both


class TestMemoryBuckets(BucketsContract):
    @pytest.fixture
    def stores(self) -> tuple[Buckets, Buckets]:
        store = MemoryBuckets(SystemClock())
        return store, store


class TestRedisBuckets(BucketsContract):
    @pytest.fixture
    def stores(self, twins: tuple[RedisStore, RedisStore]) -> tuple[Buckets, Buckets]:
        return twins[0].buckets, twins[1].buckets


class TestMemoryOneUse(OneUseContract):
    @pytest.fixture
    def stores(self) -> tuple[OneUse, OneUse]:
        store = MemoryOneUse(SystemClock())
        return store, store


class TestRedisOneUse(OneUseContract):
    @pytest.fixture
    def stores(self, twins: tuple[RedisStore, RedisStore]) -> tuple[OneUse, OneUse]:
        return twins[0].one_use, twins[1].one_use


class TestMemoryBoard(BoardContract):
    @pytest.fixture
    def boards(self) -> tuple[Board, Board]:
        board = MemoryBoard(SystemClock())
        return board, board


class TestRedisBoard(BoardContract):
    @pytest.fixture
    def boards(self, twins: tuple[RedisStore, RedisStore]) -> tuple[Board, Board]:
        return twins[0].board, twins[1].board


class TestMemoryTailRelay(TailRelayContract):
    @pytest.fixture
    def relays(self) -> tuple[TailRelay, TailRelay]:
        relay = MemoryTailRelay()
        return relay, relay


class TestRedisTailRelay(TailRelayContract):
    @pytest.fixture
    def relays(self, twins: tuple[RedisStore, RedisStore]) -> tuple[TailRelay, TailRelay]:
        return twins[0].tails, twins[1].tails


async def test_nothing_stays_on_redis(twins: tuple[RedisStore, RedisStore], redis: Redis) -> None:
    """Full buckets, old values and silent gateways are no keys."""
    store = twins[0]
    await store.buckets.draw([draw(f"b{n}", rate=100.0) for n in range(300)])
    await store.one_use.put(b"name", b"value", keep_s=0.05)
    await store.board.post("gateway", b"text", keep_s=0.05)
    deadline = time.monotonic() + PATIENCE_S
    while (left := redis.command("KEYS", "*").split()) != [f"{NAMESPACE}:ready:state"]:
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.02)


async def test_nothing_stays_in_memory() -> None:
    clock = ManualClock()
    buckets, values = MemoryBuckets(clock), MemoryOneUse(clock)
    for number in range(3):
        await buckets.draw([draw(f"{number}-{n}", rate=1.0) for n in range(SWEEP_COUNT)])
        for n in range(5000):
            await values.put(b"%d-%d" % (number, n), b"value", keep_s=1.0)
        clock.advance(2.0)
    assert len(buckets) <= SWEEP_COUNT
    assert len(values) <= 10_000


async def test_a_clock_of_the_server_that_steps_back_empties_a_bucket_at_most(
    twins: tuple[RedisStore, RedisStore], redis: Redis
) -> None:
    redis.command("SET", f"{NAMESPACE}:bucket:b", "99999999999")
    (verdict,) = await twins[0].buckets.draw([draw("b", rate=10.0)])
    assert verdict.given == 0.0
    assert verdict.wait_s <= 0.1 + 1e-3


async def test_s23_a_ticket_works_once_at_any_gateway(twins: tuple[RedisStore, RedisStore], redis: Redis) -> None:
    """Issued at one, redeemed at another; not by who reads the place where it is kept, and not twice."""

    async def is_good(principal: Principal) -> bool:
        return principal.id != "revoked"

    here, there = (Tickets(SystemClock(), is_good=is_good, kept=twin.one_use) for twin in twins)
    principal = Principal(id="k1", name="n", scopes=frozenset({"read"}), site_id="s", prefixes=("/a",), expires_at=9e9)
    ticket, _ = await here.issue(principal)
    kept = redis.command("KEYS", f"{NAMESPACE}:once:*")
    assert kept
    assert ticket not in kept
    tried = await asyncio.gather(*(each.redeem(ticket) for each in (there, here, there)), return_exceptions=True)
    assert tried.count(principal) == 1
    assert sum(isinstance(each, Unauthenticated) for each in tried) == 2
    revoked, _ = await here.issue(Principal(id="revoked", name="n"))
    with pytest.raises(Unauthenticated):
        await there.redeem(revoked)
