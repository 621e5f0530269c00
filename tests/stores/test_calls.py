"""Both stores of recorded calls hold their contract, and a flood of records is none of the ledger's business."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from taskgate.routes.records import CallFilter, CallRecords
from taskgate.stores.memory.calls import MemoryCallRecords
from taskgate.stores.sqlite.calls import MIGRATIONS, SqliteCallRecords
from taskgate.stores.sqlite.migrating import migrate
from taskgate.stores.sqlite.opening import open_writer
from taskgate.stores.sqlite.statements import sql
from taskgate.testing.contracts.calls import CallRecordsContract, call, found


class TestMemory(CallRecordsContract):
    @pytest.fixture
    def calls(self) -> CallRecords:
        return MemoryCallRecords()


class TestSqlite(CallRecordsContract):
    @pytest.fixture
    async def calls(self, tmp_path: Path) -> AsyncIterator[CallRecords]:
        made = SqliteCallRecords(tmp_path)
        await made.start()
        yield made
        await made.stop()


async def test_memory_forgets_the_oldest() -> None:
    calls = MemoryCallRecords(most=2)
    await calls.append([call(1), call(3)])
    await calls.append([call(2)])
    assert await found(calls) == [call(3).id, call(2).id]


async def test_records_outlive_the_process(tmp_path: Path) -> None:
    for number in (1, 2):
        calls = SqliteCallRecords(tmp_path)
        await calls.start()
        await calls.append([call(number)])
        assert len(await calls.find(CallFilter(site_id=None))) == number
        await calls.stop()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("calls_find_of_site", "calls_of_site"),
        ("calls_find_of_request", "calls_of_request"),
        ("calls_purge", "calls_by_age"),
    ],
)
def test_no_look_walks_over_all_records(tmp_path: Path, name: str, index: str) -> None:
    connection = open_writer(tmp_path / "some.db")
    migrate(connection, MIGRATIONS)
    named = dict.fromkeys(
        ("site_id", "user_id", "service", "route", "status", "status_class", "request_id", "cursor", "limit")
    )
    bindings: apsw.Bindings = (1.0, 1) if name == "calls_purge" else named
    plan = " ".join(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql(name)}", bindings))
    connection.close()
    assert index in plan
    assert "TEMP B-TREE" not in plan
