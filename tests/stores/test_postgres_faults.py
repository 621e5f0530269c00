"""F11, F12, F13: a database that is killed, stands still, has no room or only reads, under load.

What the load was told is compared with what the database has in the end: nothing lost, nothing doubled. A refusal
comes within two seconds, and nobody restarts anything.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from taskgate.errors import Unavailable
from taskgate.runs.ports import AddVerdict, Applied
from taskgate.runs.run import Status
from taskgate.stores.postgres.store import PostgresStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.stage import RunStage, claim
from tests.servers.postgres import Postgres
from tests.stores.postgres_load import Lag, Load, load_on

LIVES = 24
ANSWER_S = 2.0
MACHINE_S = 2.5  # what a busy machine may add
BACK_S = 10.0
LAG_S = 0.5

pytestmark = pytest.mark.system


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server of this test's own, with everything forced to the disk."""
    with tempfile.TemporaryDirectory(prefix="taskgate-postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder) / "server")
        server.start()
        yield server
        server.kill()


@asynccontextmanager
async def under_load(url: str, *, lives: int = LIVES, pool_size: int = 12) -> AsyncIterator[Load]:
    clock = ManualClock()
    store = PostgresStore(url, clock=clock, pool_size=pool_size)
    await store.start()
    load = load_on(store, clock)
    tasks = [asyncio.create_task(load.live()) for _ in range(lives)]
    load.tasks = tasks
    try:
        await ended_more(load, 50)
        yield load
        load.going = False
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.stop()


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 60.0) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def ended_more(load: Load, count: int, within_s: float = 60.0) -> None:
    """Wait until so many more runs have ended."""
    wanted = len(load.ended) + count

    async def has_ended() -> bool:
        for task in load.tasks:
            if task.done():
                task.result()
        return len(load.ended) >= wanted

    await until(has_ended, within_s)


async def check(load: Load) -> None:
    """INV-T1, INV-T4: what was told is there, once."""
    runs = await load.store.book.get([*load.added])
    assert [run_id for run_id, run in zip(load.added, runs, strict=True) if run is None] == []
    found = {run.id: run for run in runs if run is not None}
    assert {found[run_id].status for run_id in load.ended} <= {Status.SUCCEEDED}
    assert [run_id for run_id in load.ended if found[run_id].output != run_id.encode()] == []
    assert {verdict for told in load.ended.values() for verdict in told} <= {Applied.APPLIED, Applied.REPLAYED}
    assert {verdict for told in load.added.values() for verdict in told} <= {AddVerdict.ADDED, AddVerdict.REPLAYED}
    assert {run.attempt for run in found.values()} <= {0, 1}
    assert sum((await load.store.book.count("site-a")).values()) == len(load.added)


async def test_f11_a_kill_in_the_middle_of_commits_loses_and_doubles_nothing(server: Postgres) -> None:
    async with under_load(server.new_database()) as load:
        for _ in range(3):
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(started_again, server)
            back_at = time.monotonic()
            await ended_more(load, 50)
            assert time.monotonic() - back_at < BACK_S + MACHINE_S
        load.going = False
    assert max(load.refused, default=0.0) < ANSWER_S + MACHINE_S
    assert load.codes <= {"STORE_AWAY", "STORE_SLOW"}
    await again(server, load)


def started_again(server: Postgres, within_s: float = 30.0) -> None:
    """Start it after a kill: refused while processes of its former life are still ending."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            server.start()
            return
        except AssertionError:
            server.kill()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


async def again(server: Postgres, load: Load) -> None:
    """Check with a store that was not there when it happened."""
    store = PostgresStore(load.store.pool.url, clock=ManualClock(), patience_s=30)
    await store.start()
    load.store = store
    try:
        await check(load)
    finally:
        await store.stop()


async def test_f12_a_server_that_stands_still_is_refused_in_time_and_heals(server: Postgres) -> None:
    async with under_load(server.new_database()) as load, Lag() as lag:
        server.signal(signal.SIGSTOP)
        try:
            await until(lambda: asyncio.sleep(0, len(load.refused) >= 2 * LIVES))
            with pytest.raises(Unavailable):
                await load.store.book.count("site-a")
        finally:
            server.signal(signal.SIGCONT)
        await ended_more(load, 50, BACK_S + MACHINE_S)
        load.going = False
    assert max(load.refused) < ANSWER_S + MACHINE_S
    assert load.codes <= {"STORE_AWAY", "STORE_SLOW"}
    assert lag.worst_s < LAG_S
    await again(server, load)


async def test_f12_a_long_lock_and_a_full_server_are_refusals(server: Postgres) -> None:
    url = server.new_database()
    store = PostgresStore(url, clock=ManualClock(), pool_size=4)
    await store.start()
    try:
        stage = RunStage(ledger=store.ledger, book=store.book, clock=ManualClock())
        run = await stage.added()

        async def hold(_: object) -> None:
            await asyncio.Event().wait()

        holding = [asyncio.create_task(store.pool.use(hold, patience_s=60)) for _ in range(store.pool.size)]
        await asyncio.sleep(0)
        began = time.monotonic()
        for asked in (store.ledger.add([stage.run()], {}), store.book.count("site-a"), store.book.get([run.id])):
            with pytest.raises(Unavailable):
                await asked
        assert time.monotonic() - began < 3 * ANSWER_S + MACHINE_S
        for task in holding:
            task.cancel()
        await asyncio.gather(*holding, return_exceptions=True)
        assert (await stage.whole(run)).status is Status.QUEUED

        async def lock(connection: object) -> None:
            await connection.execute("BEGIN")  # type: ignore[attr-defined]
            await connection.execute("LOCK TABLE runs")  # type: ignore[attr-defined]
            await asyncio.Event().wait()

        locking = asyncio.create_task(store.pool.use(lock, patience_s=60))
        await until(lambda: is_locked(server, url))
        with pytest.raises(Unavailable):
            await store.ledger.claim([claim(run)])
        locking.cancel()
        await asyncio.gather(locking, return_exceptions=True)
        await until(lambda: is_free(server, url))
        assert (await stage.whole(run)).id == run.id
    finally:
        await store.stop()


async def is_locked(server: Postgres, url: str) -> bool:
    text = "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
    return await asyncio.to_thread(server.query, text, url=url) == "t"


async def is_free(server: Postgres, url: str) -> bool:
    return not await is_locked(server, url)


async def test_f13_a_database_that_only_reads_grants_no_lease(server: Postgres) -> None:
    url = server.new_database()
    store = PostgresStore(url, clock=ManualClock())
    await store.start()
    stage = RunStage(ledger=store.ledger, book=store.book, clock=ManualClock())
    try:
        run = await stage.added()
        await asyncio.to_thread(server.query, "ALTER SYSTEM SET default_transaction_read_only = on")
        await asyncio.to_thread(server.query, "SELECT pg_reload_conf()")
        await until(lambda: is_read_only(store))
        for asked in (store.ledger.claim([claim(run)]), store.ledger.add([stage.run()], {run.id: claim(run).grant})):
            with pytest.raises(Unavailable) as caught:
                await asked
            assert caught.value.code == "STORE_READ_ONLY"
        with pytest.raises(Unavailable):
            await store.leadership.campaign("janitor", "us", duration_s=10)
        assert await stage.whole(run) == run
    finally:
        await store.stop()


async def is_read_only(store: PostgresStore) -> bool:
    rows = await store.pool.fetch("SHOW default_transaction_read_only")
    return str(rows[0][0]) == "on"


async def test_f13_a_standby_is_no_database_to_stand_on(server: Postgres) -> None:
    server.new_database()
    await asyncio.to_thread(server.stop)
    (server.folder / "data" / "standby.signal").touch()
    await asyncio.to_thread(server.start)
    store = PostgresStore(server.url("test_1"), clock=ManualClock())
    with pytest.raises(Unavailable):
        await store.start()
