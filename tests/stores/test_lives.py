"""Whole lives of runs on every ledger: what callers, holders and time do, on time and late."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.stores.sqlite.store import SqliteStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.life import LifeMachine
from taskgate.testing.stage import RunStage
from tests.stores.postgres_ground import emptied

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


@asynccontextmanager
async def memory_stage(clock: ManualClock) -> AsyncIterator[RunStage]:
    runs = MemoryRuns(clock)
    yield RunStage(ledger=MemoryRunLedger(runs), book=MemoryRunBook(runs), clock=clock)


@asynccontextmanager
async def sqlite_stage(clock: ManualClock) -> AsyncIterator[RunStage]:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder), clock=clock)
        await store.start()
        try:
            yield RunStage(ledger=store.ledger, book=store.book, clock=clock)
        finally:
            await store.stop()


@asynccontextmanager
async def postgres_stage(clock: ManualClock) -> AsyncIterator[RunStage]:
    async with emptied(PostgresLife.url, clock) as store:
        yield RunStage(ledger=store.ledger, book=store.book, clock=clock)


class MemoryLife(LifeMachine):
    open_stage = staticmethod(memory_stage)


class SqliteLife(LifeMachine):
    open_stage = staticmethod(sqlite_stage)


class PostgresLife(LifeMachine):
    open_stage = staticmethod(postgres_stage)
    url = ""


@pytest.fixture(scope="module")
def lives_of_postgres(postgres_tables: str) -> None:
    PostgresLife.url = postgres_tables


TestMemoryLife = MemoryLife.TestCase
TestMemoryLife.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=SLOW, phases=PHASES
)
TestSqliteLife = SqliteLife.TestCase
TestSqliteLife.settings = settings(
    max_examples=8, stateful_step_count=40, deadline=None, suppress_health_check=SLOW, phases=PHASES
)
TestPostgresLife = PostgresLife.TestCase
TestPostgresLife.settings = settings(
    max_examples=5, stateful_step_count=30, deadline=None, suppress_health_check=SLOW, phases=PHASES
)
TestPostgresLife = pytest.mark.usefixtures("lives_of_postgres")(TestPostgresLife)
