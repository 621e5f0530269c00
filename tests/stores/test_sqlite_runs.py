"""The SQLite stores of runs hold the contract of every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskgate.stores.sqlite.store import SqliteStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.book import RunBookContract
from taskgate.testing.contracts.ledger import RunLedgerContract
from taskgate.testing.stage import RunStage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[RunStage]:
    clock = ManualClock()
    store = SqliteStore(tmp_path, clock=clock)
    await store.start()
    yield RunStage(ledger=store.ledger, book=store.book, clock=clock)
    await store.stop()


class TestLedger(RunLedgerContract):
    pass


class TestBook(RunBookContract):
    pass
