"""The PostgreSQL stores of runs and leaders hold the contract of every store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from taskgate.runs.ports import Leadership
from taskgate.stores.postgres.store import PostgresStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.book import RunBookContract
from taskgate.testing.contracts.leadership import LeadershipContract
from taskgate.testing.contracts.ledger import RunLedgerContract
from taskgate.testing.contracts.mandates import MandateContract
from taskgate.testing.stage import RunStage
from tests.stores.postgres_ground import emptied


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(postgres_tables: str, clock: ManualClock) -> AsyncIterator[PostgresStore]:
    async with emptied(postgres_tables, clock) as store:
        yield store


@pytest.fixture
async def stage(store: PostgresStore, clock: ManualClock) -> RunStage:
    return RunStage(ledger=store.ledger, book=store.book, clock=clock)


@pytest.fixture
async def leadership(store: PostgresStore) -> Leadership:
    return store.leadership


class TestLedger(RunLedgerContract):
    pass


class TestBook(RunBookContract):
    pass


class TestLeadership(LeadershipContract):
    pass


class TestMandate(MandateContract):
    pass
