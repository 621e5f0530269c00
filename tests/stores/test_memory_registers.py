"""The memory stores of definitions, keys, workers, services and leaders hold the contract of every store."""

from __future__ import annotations

import pytest

from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.catalogue import MemoryCatalogue
from taskgate.stores.memory.keys import MemoryKeyRing
from taskgate.stores.memory.leadership import MemoryLeadership
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.stores.memory.roster import MemoryRoster
from taskgate.stores.memory.services import MemoryServiceBook
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.catalogue import CatalogueContract
from taskgate.testing.contracts.keys import KeyRingContract
from taskgate.testing.contracts.leadership import LeadershipContract
from taskgate.testing.contracts.mandates import MandateContract
from taskgate.testing.contracts.roster import RosterContract
from taskgate.testing.contracts.services import ServiceBookContract
from taskgate.testing.stage import RunStage


class TestCatalogue(CatalogueContract):
    @pytest.fixture
    def catalogue(self) -> MemoryCatalogue:
        return MemoryCatalogue()


class TestKeyRing(KeyRingContract):
    @pytest.fixture
    def keyring(self) -> MemoryKeyRing:
        return MemoryKeyRing()


class TestRoster(RosterContract):
    @pytest.fixture
    def roster(self) -> MemoryRoster:
        return MemoryRoster()


class TestServiceBook(ServiceBookContract):
    @pytest.fixture
    def leadership(self) -> MemoryLeadership:
        return MemoryLeadership(ManualClock())

    @pytest.fixture
    def service_book(self, leadership: MemoryLeadership) -> MemoryServiceBook:
        return MemoryServiceBook(leadership)


class TestMandates(MandateContract):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def leadership(self, clock: ManualClock) -> MemoryLeadership:
        return MemoryLeadership(clock)

    @pytest.fixture
    def stage(self, clock: ManualClock, leadership: MemoryLeadership) -> RunStage:
        runs = MemoryRuns(clock, leadership)
        return RunStage(ledger=MemoryRunLedger(runs), book=MemoryRunBook(runs), clock=clock)


class TestLeadership(LeadershipContract):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def leadership(self, clock: ManualClock) -> MemoryLeadership:
        return MemoryLeadership(clock)
