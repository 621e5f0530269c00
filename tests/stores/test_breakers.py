"""INV-R2 before backends: while a server is away nobody waits for it, only probes reach it, and it comes back alone.

The servers are real; the one that is away is killed and replaced by a listener that counts who comes and says nothing,
or it stands still.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from taskgate.errors import InvalidInput, TaskgateError, Unavailable
from taskgate.stores.guarding import OPEN_S, Backend
from taskgate.stores.mysql.line import Line
from taskgate.stores.postgres.batching import Batch, Batcher
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.redis.connection import RedisConnection
from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

pytestmark = pytest.mark.system

QUICKLY_S = 0.05
MACHINE_S = 2.0  # what one call may take where the machine stalls
BACK_S = 15.0
PATIENCE_S = 0.5


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="taskgate-breakers-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder / "postgres")
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def silence_at(port: int) -> AsyncIterator[list[float]]:
    """Takes connections and says nothing; the moments at which somebody came."""
    came: list[float] = []
    held: list[asyncio.StreamWriter] = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(time.monotonic())
        held.append(writer)

    listener = await asyncio.start_server(take, "127.0.0.1", port)
    try:
        yield came
    finally:
        listener.close()
        for writer in held:
            writer.transport.abort()


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = BACK_S) -> None:
    deadline = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < deadline, "it did not become so"
        await asyncio.sleep(0.01)


async def opened(ask: Callable[[], Awaitable[Any]], backend: Backend) -> None:
    """Ask until the breaker is open."""

    async def is_open() -> bool:
        await asyncio.gather(*(ask() for _ in range(4)), return_exceptions=True)
        return backend.state == "open"

    await until(is_open)


async def back(ask: Callable[[], Awaitable[Any]], backend: Backend) -> None:
    """Ask until an answer has closed it."""

    async def is_back() -> bool:
        try:
            await ask()
        except Unavailable:
            return False
        return backend.state == "closed"

    await until(is_back)


async def refusals(ask: Callable[[], Awaitable[Any]], *, for_s: float) -> list[float]:
    """Ask again and again, all in vain: the seconds of each refusal."""
    took: list[float] = []
    ends_at = time.monotonic() + for_s
    while time.monotonic() < ends_at:
        began = time.monotonic()
        with pytest.raises(Unavailable) as refused:
            await ask()
        took.append(time.monotonic() - began)
        assert refused.value.retry_after_s > 0
        await asyncio.sleep(0.002)
    return took


async def test_inv_r2_only_probes_reach_a_database_that_is_away(server: Postgres, redis_url: str) -> None:
    pool, redis = Pool(server.url(), patience_s=PATIENCE_S), RedisConnection(redis_url)

    async def ask() -> Any:
        return await pool.fetch("SELECT 1")

    async def echoed(connection: Any, batch: Batch[int]) -> list[int]:
        return [await connection.fetchval("SELECT $1::int", item) for item in batch.items]

    batcher: Batcher[int, int] = Batcher(pool, echoed)
    for part in (pool, redis, batcher):
        await part.start()
    try:
        assert await batcher.submit(7) == 7
        server.kill()
        async with silence_at(server.port) as came:
            await opened(ask, pool.guard)
            seen, began = len(came), time.monotonic()
            took = await refusals(ask, for_s=2.0)
            spent_s = time.monotonic() - began
            assert len(came) - seen <= spent_s / OPEN_S + 1  # a probe each time it may be tried, and no more
            assert statistics.median(took) <= QUICKLY_S
            assert sum(one > QUICKLY_S for one in took) <= spent_s / OPEN_S + 3  # the probes, and a machine that stalls
            assert max(took) <= PATIENCE_S + MACHINE_S
            await opened(ask, pool.guard)
            written = await refusals(lambda: batcher.submit(1), for_s=0.3)
            assert statistics.median(written) <= QUICKLY_S
            assert await redis.call("PING") == b"PONG"
            assert redis.standing.state == "closed"
        server.start()
        await back(ask, pool.guard)
        assert await batcher.submit(8) == 8
    finally:
        for part in (batcher, redis, pool):
            await part.stop()


async def test_inv_r2_a_frozen_database_closes_its_breaker_when_it_goes_on(server: Postgres) -> None:
    pool = Pool(server.url(), patience_s=PATIENCE_S)

    async def ask() -> Any:
        return await pool.fetch("SELECT 1")

    await pool.start()
    try:
        server.signal(signal.SIGSTOP)
        await opened(ask, pool.guard)
        assert statistics.median(await refusals(ask, for_s=0.5)) <= QUICKLY_S
        server.signal(signal.SIGCONT)
        await back(ask, pool.guard)
        assert pool.guard.opened_count == 1
    finally:
        server.signal(signal.SIGCONT)
        await pool.stop()


async def test_inv_r2_what_a_database_says_never_counts_against_it(postgres_url: str) -> None:
    """Constraints, texts it cannot store, statements it gives up, connections that are cut: it is there."""
    pool = Pool(postgres_url, size=3, statement_timeout_s=0.05)
    await pool.start()
    try:
        for text in ("SELECT 1/0", "SELECT E'\\\\x00'::int", "SELECT nothing", "SELECT pg_sleep(1)"):
            for _ in range(6):
                with pytest.raises(TaskgateError):
                    await pool.fetch(text)
        for _ in range(6):
            with pytest.raises(InvalidInput):
                await pool.fetch("SELECT $1::text", "\0")
        for _ in range(6):
            with pytest.raises(Unavailable):
                await pool.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
        cut = [asyncio.ensure_future(pool.fetch("SELECT pg_sleep(1)")) for _ in range(12)]
        await asyncio.sleep(0)
        for task in cut:
            task.cancel()
        await asyncio.gather(*cut, return_exceptions=True)
        assert (pool.guard.state, pool.guard.opened_count) == ("closed", 0)
        assert await pool.fetch("SELECT 1")
    finally:
        await pool.stop()


async def test_inv_r2_a_pool_that_its_own_callers_use_up_is_no_server_that_is_away(postgres_url: str) -> None:
    pool = Pool(postgres_url, size=2, patience_s=PATIENCE_S)
    await pool.start()

    async def hold(_: Any) -> None:
        await asyncio.Event().wait()

    try:
        holding = [asyncio.create_task(pool.use(hold, patience_s=60)) for _ in range(pool.size)]
        for _ in range(2):
            asked = await asyncio.gather(*(pool.fetch("SELECT 1") for _ in range(6)), return_exceptions=True)
            assert all(isinstance(one, Unavailable) for one in asked)
        for task in holding:
            task.cancel()
        await asyncio.gather(*holding, return_exceptions=True)
        assert (pool.guard.state, pool.guard.opened_count) == ("closed", 0)
        assert await pool.fetch("SELECT 1")
    finally:
        await pool.stop()


async def test_inv_r2_a_frozen_redis_is_asked_by_nobody_until_it_goes_on(folder: Path, postgres_url: str) -> None:
    server = Redis(folder / "redis")
    server.start()
    redis, pool = RedisConnection(server.url, answer_s=PATIENCE_S), Pool(postgres_url)
    try:
        await redis.start()
        await pool.start()
        server.signal(signal.SIGSTOP)
        await opened(lambda: redis.call("PING"), redis.standing)
        took = await refusals(lambda: redis.call("PING"), for_s=0.5)
        assert statistics.median(took) <= QUICKLY_S
        assert redis.standing.refused_count >= len(took)
        assert await pool.fetch("SELECT 1")
        assert pool.guard.state == "closed"
        server.signal(signal.SIGCONT)
        await back(lambda: redis.call("PING"), redis.standing)
    finally:
        server.signal(signal.SIGCONT)
        await redis.stop()
        await pool.stop()
        server.kill()


async def test_inv_r2_a_frozen_archive_keeps_nobody_waiting_behind_its_only_line(folder: Path) -> None:
    server = MariaDb(folder / "mariadb", is_quick=True)
    server.start()
    line = Line(server.new_database(), name="archive", prepare=lambda _: None, timeout_s=1.0)

    async def ask() -> Any:
        return await line.use(lambda cursor: cursor.execute("SELECT 1"))

    try:
        await line.start()
        for _ in range(3):
            with pytest.raises(TaskgateError):
                await line.use(lambda cursor: cursor.execute("SELECT nothing"))
        assert line.guard.state == "closed"
        server.signal(signal.SIGSTOP)
        began = time.monotonic()
        crowd = await asyncio.gather(*(ask() for _ in range(30)), return_exceptions=True)
        assert all(isinstance(one, Unavailable) for one in crowd)
        assert time.monotonic() - began < 10.0  # one of them waited, not thirty in turn
        assert statistics.median(await refusals(ask, for_s=0.5)) <= QUICKLY_S
        server.signal(signal.SIGCONT)
        await back(ask, line.guard)
    finally:
        server.signal(signal.SIGCONT)
        await line.stop()
        server.kill()
