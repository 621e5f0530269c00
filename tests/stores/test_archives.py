"""Every archive holds one contract and answers every history like the one in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from taskgate.history.ports import EndedRuns, HistoryFilter, RunArchive
from taskgate.runs.run import Status
from taskgate.stores.memory.archive import MemoryEndedRuns, MemoryRunArchive
from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.stores.records import archive_query
from taskgate.stores.sqlite.archive import MIGRATIONS, SqliteEndedRuns, SqliteRunArchive
from taskgate.stores.sqlite.migrating import migrate
from taskgate.stores.sqlite.opening import open_writer
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.store import FILE, SqliteStore
from taskgate.testing.archives import ended_run, found, history_of, played
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.archive import EndedRunsContract, RunArchiveContract
from taskgate.testing.stage import RunStage

SEEDS = range(6)
STEPS = 70


class TestMemoryArchive(RunArchiveContract):
    @pytest.fixture
    def archive(self) -> RunArchive:
        return MemoryRunArchive()


class TestMemoryEnded(EndedRunsContract):
    @pytest.fixture
    def runs(self) -> MemoryRuns:
        return MemoryRuns(ManualClock())

    @pytest.fixture
    def stage(self, runs: MemoryRuns) -> RunStage:
        assert isinstance(runs.clock, ManualClock)
        return RunStage(ledger=MemoryRunLedger(runs), book=MemoryRunBook(runs), clock=runs.clock)

    @pytest.fixture
    def ended(self, runs: MemoryRuns) -> EndedRuns:
        return MemoryEndedRuns(runs)


class TestSqliteArchive(RunArchiveContract):
    @pytest.fixture
    async def archive(self, tmp_path: Path) -> AsyncIterator[RunArchive]:
        made = SqliteRunArchive(tmp_path)
        await made.start()
        yield made
        await made.stop()


class TestSqliteEnded(EndedRunsContract):
    @pytest.fixture
    async def stage(self, tmp_path: Path) -> AsyncIterator[RunStage]:
        clock = ManualClock()
        store = SqliteStore(tmp_path, clock=clock)
        await store.start()
        yield RunStage(ledger=store.ledger, book=store.book, clock=clock)
        await store.stop()

    @pytest.fixture
    async def ended(self, stage: RunStage, tmp_path: Path) -> AsyncIterator[EndedRuns]:
        reader = Reader(tmp_path / FILE)
        await reader.start()
        yield SqliteEndedRuns(reader)
        await reader.stop()


@pytest.mark.parametrize("seed", SEEDS)
async def test_sqlite_answers_every_history_like_memory(seed: int, tmp_path: Path) -> None:
    commands = history_of(Random(seed), steps=STEPS)
    archive = SqliteRunArchive(tmp_path)
    await archive.start()
    try:
        assert await played(archive, commands) == await played(MemoryRunArchive(), commands)
    finally:
        await archive.stop()


async def test_history_outlives_the_process(tmp_path: Path) -> None:
    for number in (1, 2):
        archive = SqliteRunArchive(tmp_path)
        await archive.start()
        await archive.record([ended_run(number)])
        assert len(await found(archive)) == number
        await archive.stop()


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (HistoryFilter(site_id="s"), "archived_of_site"),
        (HistoryFilter(site_id="s", status=Status.FAILED, label=("a", "b"), holder="w"), "archived_of_site"),
        (HistoryFilter(site_id="s", task="t"), "archived_of_task"),
        (HistoryFilter(site_id="s", user_id="u", task="t"), "archived_of_user"),
    ],
)
def test_no_page_walks_over_all_runs(tmp_path: Path, wanted: HistoryFilter, index: str) -> None:
    assert f"USING INDEX {index} " in _plan(tmp_path, archive_query(wanted))


def test_ids_that_begin_alike_are_found_by_id(tmp_path: Path) -> None:
    assert "autoindex" in _plan(tmp_path, archive_query(HistoryFilter(site_id="s", id_prefix="0193")))


def _plan(folder: Path, name: str) -> str:
    connection = open_writer(folder / "some.db")
    migrate(connection, MIGRATIONS)
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql(name)}", _Anything()).fetchall()
    connection.close()
    return " ".join(str(row[3]) for row in rows)


class _Anything(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "1"
