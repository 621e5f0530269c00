"""What the statements cost: how many a batch takes, and that none of them walks over a whole table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import apsw
import pytest

from taskgate.runs.ports import AddVerdict, Applied, Renewed
from taskgate.runs.run import Run
from taskgate.stores.columns import leased
from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.ledger import MemoryRuns
from taskgate.stores.sqlite.ledger import SqliteRunLedger
from taskgate.stores.sqlite.migrating import migrate
from taskgate.stores.sqlite.opening import open_writer
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import MIGRATIONS, Bulk, rounds, slices, sql
from taskgate.stores.sqlite.writer import Writer
from taskgate.testing.clock import ManualClock
from taskgate.testing.stage import RunStage, claim, grant, renewal, requeueing, success

BULKS = ("runs_of_ids", "attempts_of_ids", "claim", "claimed", "renew", "renewed", "close_attempts", "apply")
BULKS_WITH_MARK = ("not_added", "not_applied", "add_large")
PAGES = ("expired", "due", "queued", "purgeable")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = open_writer(tmp_path / "some.db")
    migrate(connection, MIGRATIONS)
    yield connection
    connection.close()


class Direct:
    """In the writer's place: performs the calls of one turn of the loop as one batch, and counts its statements."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._calls: list[tuple[Any, Any, asyncio.Future[Any]]] = []
        self.statement_count = 0

    def submit(self, perform: Any, item: Any, *, weight: int = 1) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls.append((perform, item, future))
        if len(self._calls) == 1:
            asyncio.get_running_loop().call_soon(self._work)
        return future

    def _work(self) -> None:
        calls, self._calls = self._calls, []
        self.statement_count = 0
        self._connection.exec_trace = self._trace
        outcomes = calls[0][0](self._connection, [item for _, item, _ in calls])
        self._connection.exec_trace = None
        for (_, _, future), outcome in zip(calls, outcomes, strict=True):
            future.set_result(outcome)

    def _trace(self, *_: object) -> bool:
        self.statement_count += 1
        return True


@pytest.fixture
def direct(connection: apsw.Connection) -> Direct:
    return Direct(connection)


@pytest.fixture
def stage(direct: Direct) -> RunStage:
    clock = ManualClock()
    ledger = SqliteRunLedger(cast(Writer, direct), cast(Reader, direct), clock)
    return RunStage(ledger=ledger, book=MemoryRunBook(MemoryRuns(clock)), clock=clock)


async def each(calls: Iterable[Awaitable[list[Any]]]) -> list[Any]:
    """One call per item, all at once; the only verdict of each."""
    return [verdicts[0] for verdicts in await asyncio.gather(*calls)]


async def test_a_batch_of_128_calls_is_one_statement(stage: RunStage, direct: Direct) -> None:
    """Beside a busy event loop every statement may wait 5 ms for the interpreter."""
    ledger = stage.ledger
    fresh = [stage.run() for _ in range(128)]
    added = await each(ledger.add([run], {run.id: grant(token=run.id)}) for run in fresh)
    assert direct.statement_count == 1
    runs: list[Run] = [item.run for item in added]
    assert await each(ledger.renew([renewal(run)]) for run in runs) == [Renewed.HELD] * 128
    assert direct.statement_count == 1
    assert await each(ledger.apply([success(run, 3.0)]) for run in runs[:64]) == [Applied.APPLIED] * 64
    assert direct.statement_count == 1
    assert await each(ledger.apply([requeueing(run, 3.0)]) for run in runs[64:]) == [Applied.APPLIED] * 64
    assert direct.statement_count == 2  # attempts, runs
    assert None not in await each(ledger.claim([claim(run)]) for run in runs[64:])
    assert direct.statement_count == 3  # claim, runs, their earlier attempts


async def test_a_batch_with_strangers_takes_one_more(stage: RunStage, direct: Direct) -> None:
    """Stale, repeated and unknown items do not fall back to one statement each: nobody can slow others down."""
    ledger = stage.ledger
    fresh = [stage.run(idempotency_key=f"{number}") for number in range(100)]
    await ledger.add(fresh[:50], {})
    verdicts = [item.verdict for item in await each(ledger.add([run], {}) for run in fresh)]
    assert verdicts == [AddVerdict.REPLAYED] * 50 + [AddVerdict.ADDED] * 50
    assert direct.statement_count == 3  # add, who was there before, their runs
    strangers = [leased(run, grant(), now=1.0) for run in fresh]
    assert await each(ledger.renew([renewal(run)]) for run in strangers) == [Renewed.LOST] * 100
    assert direct.statement_count == 2
    assert await each(ledger.apply([success(run, 3.0)]) for run in strangers) == [Applied.STALE] * 100
    assert direct.statement_count == 2


def plan_of(connection: apsw.Connection, text: str, parameters: Any) -> list[str]:
    return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()]


def assert_no_walk(steps: list[str]) -> None:
    walks = [step for step in steps if step.startswith(("SCAN runs", "SCAN attempts", "SCAN large", "SCAN again"))]
    assert walks == [], steps
    assert any(step.startswith("SEARCH") for step in steps), steps


@pytest.mark.parametrize("name", BULKS + BULKS_WITH_MARK)
def test_bulk_statements_look_rows_up(connection: apsw.Connection, name: str) -> None:
    bulk = Bulk(name)
    for size in (1, 128):
        text = bulk.text_for(size)
        assert_no_walk(
            plan_of(connection, text, (None,) * (bulk.width * size + (name in BULKS_WITH_MARK or name == "apply")))
        )


@pytest.mark.parametrize("name", PAGES)
def test_pages_walk_along_an_index(connection: apsw.Connection, name: str) -> None:
    steps = plan_of(connection, sql(name), ("1", 2) if name == "queued" else (1.0, 2))
    assert_no_walk(steps)
    is_sorted = [step for step in steps if "TEMP B-TREE" in step and "LAST TERM" not in step] == []
    assert is_sorted or name == "due", steps


@pytest.mark.parametrize("status", [None, 4])
@pytest.mark.parametrize("is_dead", [False, True])
@pytest.mark.parametrize(
    ("name", "walk"),
    [
        ("find", "runs_of_site (site_id=? AND status=? AND id<?)"),
        ("find_of_user", "runs_of_user (site_id=? AND user_id=? AND status=? AND id<?)"),
    ],
)
def test_a_page_is_merged_from_walks_in_order(
    connection: apsw.Connection, *, status: int | None, is_dead: bool, name: str, walk: str
) -> None:
    wanted = {"site_id": "a", "cursor": "~", "task": "", "label_name": None, "label_value": None}
    user = {} if name == "find" else {"user_id": "u"}
    bits = 127 if status is None else 1 << status
    steps = plan_of(connection, sql(name), {**wanted, **user, "dead": is_dead, "statuses": bits, "limit": 50})
    assert_no_walk(steps)
    assert [step for step in steps if "TEMP B-TREE" in step] == []
    assert len([step for step in steps if walk in step]) == 7


def test_counting_reads_the_index_alone(connection: apsw.Connection) -> None:
    assert "SEARCH runs USING COVERING INDEX runs_of_site (site_id=?)" in plan_of(connection, sql("count"), ("a",))


def test_rows_are_cut_into_pieces_and_rounds() -> None:
    rows = [(name,) for name in "abacab"]
    assert rounds(rows) == [[0, 1, 3], [2, 5], [4]]
    assert rounds([("a",), ("b",)]) == [[0, 1]]
    assert [len(part) for part in slices([(0,)] * 300)] == [128, 128, 44]
    nothing: list[tuple[Any, ...]] = []
    assert list(slices(nothing)) == []
