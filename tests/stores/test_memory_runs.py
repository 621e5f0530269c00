"""The memory stores of runs hold the contract of every store."""

from __future__ import annotations

import pytest

from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.book import RunBookContract
from taskgate.testing.contracts.ledger import RunLedgerContract
from taskgate.testing.stage import RunStage


def memory_stage(clock: ManualClock) -> RunStage:
    runs = MemoryRuns(clock)
    return RunStage(ledger=MemoryRunLedger(runs), book=MemoryRunBook(runs), clock=clock)


@pytest.fixture
def stage() -> RunStage:
    return memory_stage(ManualClock())


class TestLedger(RunLedgerContract):
    pass


class TestBook(RunBookContract):
    pass
