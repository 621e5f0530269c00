"""Counting what is open means the same on every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskgate.runs.ports import Census
from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.census import MemoryCensus
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.stores.postgres.census import PostgresCensus
from taskgate.stores.postgres.store import PostgresStore
from taskgate.stores.sqlite.store import SqliteStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.census import CensusContract
from taskgate.testing.stage import RunStage


class TestInMemory(CensusContract):
    @pytest.fixture
    def runs(self) -> MemoryRuns:
        return MemoryRuns(ManualClock())

    @pytest.fixture
    def stage(self, runs: MemoryRuns) -> RunStage:
        assert isinstance(runs.clock, ManualClock)
        return RunStage(ledger=MemoryRunLedger(runs), book=MemoryRunBook(runs), clock=runs.clock)

    @pytest.fixture
    def census(self, runs: MemoryRuns) -> Census:
        return MemoryCensus(runs)


class TestOnSqlite(CensusContract):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    async def store(self, tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
        store = SqliteStore(tmp_path, clock=clock)
        await store.start()
        yield store
        await store.stop()

    @pytest.fixture
    def stage(self, store: SqliteStore, clock: ManualClock) -> RunStage:
        return RunStage(ledger=store.ledger, book=store.book, clock=clock)

    @pytest.fixture
    def census(self, store: SqliteStore) -> Census:
        return store.census


class TestOnPostgres(CensusContract):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    async def store(self, postgres_url: str, clock: ManualClock) -> AsyncIterator[PostgresStore]:
        store = PostgresStore(postgres_url, clock=clock)
        await store.start()
        yield store
        await store.stop()

    @pytest.fixture
    def stage(self, store: PostgresStore, clock: ManualClock) -> RunStage:
        return RunStage(ledger=store.ledger, book=store.book, clock=clock)

    @pytest.fixture
    def census(self, store: PostgresStore) -> Census:
        return PostgresCensus(store.pool)
