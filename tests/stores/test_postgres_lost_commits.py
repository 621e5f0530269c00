"""A commit whose answer never came is found again: by mark, token or id. Nothing is told before it (INV-T2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from taskgate.clock import Clock
from taskgate.runs.ports import AddVerdict, Applied, Renewed
from taskgate.runs.run import Status
from taskgate.stores.postgres.audit import PostgresAuditLog
from taskgate.stores.postgres.pool import Connection, Outcome, Pool, Work
from taskgate.stores.postgres.store import PostgresStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.audit import deed, flaws_of
from taskgate.testing.stage import RunStage, claim, move, numbered_id, renewal, requeueing, success
from tests.stores.postgres_ground import PATIENCE_S, emptied

MOMENT_S = 0.3


class Cutting(Pool):
    """Cuts the connection when the server has committed and before anybody hears of it, as often as is asked."""

    cuts = 0

    async def perform(self, work: Work[Outcome], *, patience_s: float | None = None) -> Outcome:
        async def cut(connection: Connection) -> Outcome:
            outcome = await work(connection)
            if self.cuts:
                self.cuts -= 1
                connection.terminate()
                raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
            return outcome

        return await super().perform(cut, patience_s=patience_s)


class CutStore(PostgresStore):
    """A store on such a pool."""

    def __init__(self, url: str, *, clock: Clock) -> None:
        super().__init__(url, clock=clock, patience_s=PATIENCE_S)
        self.pool.__class__ = Cutting

    def cut_next(self) -> None:
        self.pool.cuts = 2  # type: ignore[attr-defined]


@pytest.fixture
async def store(postgres_tables: str) -> AsyncIterator[CutStore]:
    clock = ManualClock()
    async with emptied(postgres_tables, clock):
        store = CutStore(postgres_tables, clock=clock)
        await store.start()
        yield store
        await store.stop()


@pytest.fixture
def stage(store: CutStore) -> RunStage:
    clock = ManualClock()
    return RunStage(ledger=store.ledger, book=store.book, clock=clock)


async def test_what_was_added_is_added(store: CutStore, stage: RunStage) -> None:
    runs = [stage.run(idempotency_key=f"key-{number}", body_digest="a") for number in range(3)]
    standing = await stage.added(idempotency_key="taken", body_digest="a")
    asked = [*runs, stage.run(idempotency_key="taken", body_digest="a")]
    store.cut_next()
    told = await stage.ledger.add(asked, {runs[0].id: claim(runs[0]).grant})
    assert [added.verdict for added in told] == [AddVerdict.ADDED] * 3 + [AddVerdict.REPLAYED]
    assert [added.run.id for added in told] == [*(run.id for run in runs), standing.id]
    assert told[0].run.lease is not None
    assert await store.book.count("site-a") == {Status.QUEUED: 3, Status.RUNNING: 1}


async def test_what_was_claimed_is_claimed(store: CutStore, stage: RunStage) -> None:
    run, taken = await stage.added(), await stage.offered()
    store.cut_next()
    leased, refused = await stage.ledger.claim([claim(run), claim(taken, "w2", token="other")])
    assert leased is not None
    assert leased == await stage.whole(run)
    assert (leased.attempt, refused) == (1, None)


async def test_a_try_is_counted_once(store: CutStore, stage: RunStage) -> None:
    run, ended = await stage.offered(), await stage.ended()
    store.cut_next()
    assert await stage.ledger.renew([renewal(run), renewal(ended)]) == [Renewed.HELD, Renewed.STOP]
    assert (await stage.whole(run)).tries == 1


async def test_what_was_moved_is_moved(store: CutStore, stage: RunStage) -> None:
    """A requeueing has no digest to know it by, and a stale one must stay stale."""
    now = stage.clock.now()
    back, done, old = await stage.accepted(), await stage.accepted(), await stage.accepted()
    await stage.ledger.apply([requeueing(old, now)])
    store.cut_next()
    told = await stage.ledger.apply([requeueing(back, now), success(done, now), requeueing(old, now)])
    assert told[0] is Applied.APPLIED
    assert told[1] in (Applied.APPLIED, Applied.REPLAYED)
    assert told[2] is Applied.STALE
    assert len((await stage.whole(back)).attempts) == 1


async def test_what_was_deleted_is_told(store: CutStore, stage: RunStage) -> None:
    run, is_open = await stage.ended(), await stage.added()
    store.cut_next()
    assert await store.book.remove([run.id, is_open.id]) == [run.id]


async def test_nothing_is_told_before_the_commit(store: CutStore, stage: RunStage) -> None:
    """INV-T2: a commit that is held up holds up its answer; once told, another session sees it."""
    run = stage.run()
    other = await asyncpg.connect(store.pool.url)
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE runs IN SHARE ROW EXCLUSIVE MODE")
            told = asyncio.ensure_future(stage.ledger.add([run], {}))
            done, _ = await asyncio.wait({told}, timeout=MOMENT_S)
            assert not done
        assert (await told)[0].verdict is AddVerdict.ADDED
        assert await other.fetchval("SELECT count(*) FROM runs WHERE id = $1", run.id) == 1
    finally:
        await other.close()


async def test_one_text_that_cannot_be_stored_harms_no_other(stage: RunStage) -> None:
    good, bad = stage.run(), stage.run(id=numbered_id(99), traceparent="a\x00b")
    told = await asyncio.gather(stage.ledger.add([good], {}), stage.ledger.add([bad], {}), return_exceptions=True)
    assert not isinstance(told[0], BaseException)
    assert getattr(told[1], "code", "") == "UNSTORABLE_TEXT"


async def test_a_deed_whose_commit_was_lost_stands_once(store: CutStore) -> None:
    await store.pool.fetch("INSERT INTO audit_ends VALUES (1, 0, repeat('0', 64), 0, repeat('0', 64))")
    log = PostgresAuditLog(store.pool)
    await log.append([deed(1)])
    store.cut_next()
    entries = await log.append([deed(2), deed(2)])
    assert await log.chain(1, 9) == entries
    assert await flaws_of(log) == []


async def test_a_deed_that_was_rolled_back_is_written(store: CutStore) -> None:
    await store.pool.fetch("INSERT INTO audit_ends VALUES (1, 0, repeat('0', 64), 0, repeat('0', 64))")
    log, other = PostgresAuditLog(store.pool), await asyncpg.connect(store.pool.url)
    transaction = other.transaction()
    try:
        await transaction.start()
        await other.execute("LOCK TABLE audit_entries IN SHARE MODE")
        asked = asyncio.ensure_future(log.append([deed(1)]))
        await _until_one_waits(store)
        gone = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND database IS NOT NULL"
        await other.execute(gone)
        await transaction.rollback()
        entries = await asked
    finally:
        other.terminate()
    assert await log.chain(0, 9) == entries
    assert await flaws_of(log) == []


async def test_what_was_moved_before_a_deadlock_is_moved(store: CutStore, stage: RunStage) -> None:
    """A batch is two statements where attempts are kept: when the second gives way, the first has been committed."""
    now = stage.clock.now()
    done, due = await stage.accepted(), await stage.added(status=Status.SCHEDULED, due_at=now)
    first, second = await stage.accepted(), await stage.accepted()
    other = await asyncpg.connect(store.pool.url)
    locked = "SELECT 1 FROM runs WHERE id = $1 FOR UPDATE"
    try:
        transaction = other.transaction()
        await transaction.start()
        await other.execute("SET LOCAL deadlock_timeout = '60s'")  # it is not this one that gives way
        await other.execute(locked, second.id)
        moves = [success(done, now), move(due, Status.QUEUED), requeueing(first, now), requeueing(second, now)]
        asked = asyncio.ensure_future(stage.ledger.apply(moves))
        await _until_one_waits(store)
        await other.execute(locked, first.id)
        await transaction.rollback()
        assert await asked == [Applied.APPLIED] * 4
    finally:
        other.terminate()
    assert [len((await stage.whole(run)).attempts) for run in (first, second)] == [1, 1]


async def _until_one_waits(store: CutStore) -> None:
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(20.0):
        while not await store.pool.fetch(waits):  # noqa: ASYNC110  (another session's state)
            await asyncio.sleep(0.01)
