"""Signals over Redis hold their contract, for several gateways, and say so when news may have been missed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskgate.runs.ports import GAP, Signals, Subscription
from taskgate.stores.redis.signals import MAX_UNREAD, MAX_UNREAD_BYTES
from taskgate.testing.contracts.signals import SharedSignalsContract, SignalsContract, heard
from tests.servers.redis import Redis
from tests.stores.gateways import joined, joined_twice

PATIENCE_S = 20.0


@pytest.fixture
async def signals(redis_url: str) -> AsyncIterator[Signals]:
    async with joined(redis_url) as gateway:
        yield gateway.signals


@pytest.fixture
async def twins(redis_url: str) -> AsyncIterator[tuple[Signals, Signals]]:
    async with joined_twice(redis_url) as (one, other):
        yield one.signals, other.signals


class TestRedisSignals(SignalsContract):
    """One gateway."""


class TestSharedRedisSignals(SharedSignalsContract):
    """Two gateways."""


async def until(subscription: Subscription, wanted: bytes) -> list[bytes]:
    """Everything heard up to this message."""
    messages: list[bytes] = []
    async with asyncio.timeout(PATIENCE_S):
        while wanted not in messages:
            messages.append(await subscription.next())
    return messages


async def test_f9_a_cut_is_a_gap_for_everybody(tmp_path: Path) -> None:
    """Own subscribers hear on while Redis is away; afterwards everybody is told that news may be missing."""
    server = Redis(tmp_path / "redis")
    server.start()
    try:
        async with joined_twice(server.url) as (one, other):
            here, there = one.signals.subscribe("t"), other.signals.subscribe("t")
            server.kill()
            await one.signals.publish("t", b"while away")
            assert await heard(here, 1) == [b"while away"]
            began = time.monotonic()
            server.start()
            assert await until(there, GAP) == [GAP]
            assert await until(here, GAP) == [GAP]
            assert time.monotonic() - began < 5.0
            deadline = time.monotonic() + PATIENCE_S
            while not (one.connection.is_up and other.connection.is_up):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
            await one.signals.publish("t", b"after")
            assert set(await until(there, b"after")) <= {GAP, b"after"}
            here.close()
            there.close()
    finally:
        server.stop()


async def test_what_could_not_be_published_is_a_gap_for_others(redis_url: str, redis: Redis) -> None:
    """The publisher alone was cut off: those who heard all the time learn that they were not told."""
    async with joined_twice(redis_url) as (one, other):
        there, elsewhere = other.signals.subscribe("t"), other.signals.subscribe("u")
        one_id = await one.connection.call("CLIENT", "ID")
        redis.command("CLIENT", "KILL", "ID", str(one_id))
        deadline = time.monotonic() + PATIENCE_S
        while one.connection.is_up:
            assert time.monotonic() < deadline
            await asyncio.sleep(0)
        await one.signals.publish("t", b"lost")
        assert GAP in await until(there, GAP)
        await other.signals.publish("u", b"still there")
        assert await heard(elsewhere, 1) == [b"still there"]


async def test_who_reads_too_slowly_finds_a_gap(signals: Signals) -> None:
    """Bounded in number and in bytes; what comes after the gap is there."""
    many, large = signals.subscribe("many"), signals.subscribe("large")
    for _ in range(MAX_UNREAD + 1):
        await signals.publish("many", b"x")
    await signals.publish("many", b"last")
    for _ in range(2):
        await signals.publish("large", bytes(MAX_UNREAD_BYTES // 2 + 1))
    await signals.publish("large", b"last")
    assert await until(many, b"last") == [GAP, b"last"]
    assert await until(large, b"last") == [GAP, b"last"]


async def test_what_strangers_write_ends_nothing(signals: Signals, redis: Redis) -> None:
    """A payload that no gateway wrote is ignored, or heard as it is; hearing goes on."""
    subscription = signals.subscribe("t")
    for channel in ("tg:news:t", "tg:ready-news", "tg:news:\xff"):
        redis.command("PUBLISH", channel, "x")
    await signals.publish("t", b"own")
    assert b"own" in await until(subscription, b"own")
