"""What the statements cost: how many a batch takes, and that none of them walks over a whole table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from taskgate.runs.ports import Grant
from taskgate.runs.run import Run, Status, Tenant
from taskgate.runs.task import QueueKey
from taskgate.stores.sqlite.changes import RunChanges
from taskgate.stores.sqlite.migrating import migrate
from taskgate.stores.sqlite.opening import open_writer
from taskgate.stores.sqlite.rows import leased, row_to_add, row_to_apply, row_to_close
from taskgate.stores.sqlite.statements import MIGRATIONS, Bulk, rounds, slices, sql
from taskgate.testing.stage import requeueing, success

BULKS = ("runs_of_ids", "attempts_of_ids", "claim", "claimed", "renew", "renewed", "close_attempts", "apply")
BULKS_WITH_MARK = ("not_added", "not_applied", "add_large")
PAGES = ("expired", "due", "queued", "purgeable")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = open_writer(tmp_path / "some.db")
    migrate(connection, MIGRATIONS)
    yield connection
    connection.close()


def some_runs(count: int) -> list[Run]:
    return [
        Run(
            id=f"run-{number:06}",
            tenant=Tenant(site_id="site-a"),
            task="text.echo",
            definition="d",
            queue=QueueKey("text.echo"),
            input=b"{}",
            status=Status.QUEUED,
            created_at=1.0,
            idempotency_key=f"key-{number}",
        )
        for number in range(count)
    ]


def steps_of(connection: apsw.Connection, perform: Any, items: list[Any]) -> tuple[int, Any]:
    """How many statements a perform takes, and what it returns."""
    count = 0

    def trace(*_: object) -> bool:
        nonlocal count
        count += 1
        return True

    connection.exec_trace = trace
    try:
        outcomes = perform(connection, items)
    finally:
        connection.exec_trace = None
    return count, outcomes


def test_a_batch_of_128_calls_is_one_statement(connection: apsw.Connection) -> None:
    """Beside a busy event loop every statement may wait 5 ms for the interpreter."""
    changes = RunChanges()
    runs = some_runs(128)
    grants = [Grant(holder="w", token=run.id, duration_s=5.0) for run in runs]
    rows: list[Any] = [([row_to_add(run, grant, 1.0)], []) for run, grant in zip(runs, grants, strict=True)]
    assert steps_of(connection, changes.add, rows) == (1, [None] * 128)
    running = [leased(run, grant, 1.0) for run, grant in zip(runs, grants, strict=True)]
    renewals = [[(run.id, 1, run.id, 9.0, 2.0)] for run in running]
    assert steps_of(connection, changes.renew, renewals)[0] == 1
    ending = [[(row_to_apply(success(run, 3.0), 3.0), None)] for run in running[:64]]
    going_on = [
        [(row_to_apply(move, 3.0), row_to_close(move, 3.0))] for run in running[64:] for move in [requeueing(run, 3.0)]
    ]
    count, outcomes = steps_of(connection, changes.apply, ending + going_on)
    assert (count, {verdict.value for item in outcomes for verdict in item}) == (2, {"applied"})
    claims = [[(run.id, run.id, 9.0, "w", "workers", 4.0)] for run in running[64:]]
    count, outcomes = steps_of(connection, changes.claim, claims)
    assert (count, len([item for item in outcomes if item[0] is not None])) == (3, 64)  # claim, runs, attempts


def test_a_batch_with_strangers_takes_one_more(connection: apsw.Connection) -> None:
    """Stale, repeated and unknown items do not fall back to one statement each: nobody can slow others down."""
    changes = RunChanges()
    runs = some_runs(100)
    changes.add(connection, [([row_to_add(run, None, 1.0) for run in runs[:50]], [])])
    count, outcomes = steps_of(connection, changes.add, [([row_to_add(run, None, 1.0) for run in runs], [])])
    assert (count, len([run for run in outcomes[0] if run is not None])) == (3, 50)  # add, who was there, their runs
    renewals = [(run.id, 1, "no such token", 9.0, 2.0) for run in runs]
    assert steps_of(connection, changes.renew, [renewals])[0] == 2
    strangers = [leased(run, Grant(holder="w", token="x", duration_s=5.0), 1.0) for run in runs]
    stale = [(row_to_apply(success(run, 3.0), 3.0), None) for run in strangers]
    assert steps_of(connection, changes.apply, [stale])[0] == 2


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


@pytest.mark.parametrize("status", [None, 4])
@pytest.mark.parametrize("is_dead", [False, True])
def test_a_page_of_a_site_is_merged_from_walks_in_order(
    connection: apsw.Connection, status: int | None, is_dead: bool
) -> None:
    wanted: dict[str, Any] = defaultdict(lambda: None, site_id="a", cursor="~", user_id="", task="", limit=50)
    wanted |= {"dead": is_dead, "statuses": 127 if status is None else 1 << status}
    steps = plan_of(connection, sql("find"), {**wanted, "label_name": None, "label_value": None})
    assert_no_walk(steps)
    assert [step for step in steps if "TEMP B-TREE" in step] == []
    assert len([step for step in steps if "runs_of_site (site_id=? AND status=? AND id<?)" in step]) == 7


def test_counting_reads_the_index_alone(connection: apsw.Connection) -> None:
    assert "SEARCH runs USING COVERING INDEX runs_of_site (site_id=?)" in plan_of(connection, sql("count"), ("a",))


def test_rows_are_cut_into_pieces_and_rounds() -> None:
    rows = [(name,) for name in "abacab"]
    assert rounds(rows) == [[0, 1, 3], [2, 5], [4]]
    assert rounds([("a",), ("b",)]) == [[0, 1]]
    assert [len(part) for part in slices([(0,)] * 300)] == [128, 128, 44]
    nothing: list[tuple[Any, ...]] = []
    assert list(slices(nothing)) == []
