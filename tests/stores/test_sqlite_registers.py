"""The SQLite stores of definitions, keys, workers, services and leaders hold the contract of every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskgate.runs.task import SHARED
from taskgate.stores.sqlite.catalogue import SqliteCatalogue
from taskgate.stores.sqlite.keys import SqliteKeyRing
from taskgate.stores.sqlite.leadership import SqliteLeadership
from taskgate.stores.sqlite.roster import SqliteRoster
from taskgate.stores.sqlite.services import SqliteServiceBook
from taskgate.stores.sqlite.store import SqliteStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.catalogue import CatalogueContract, definition
from taskgate.testing.contracts.keys import KeyRingContract, record
from taskgate.testing.contracts.leadership import LeadershipContract
from taskgate.testing.contracts.mandates import MandateContract
from taskgate.testing.contracts.roster import RosterContract, worker
from taskgate.testing.contracts.services import ServiceBookContract, service
from taskgate.testing.stage import RunStage


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path, clock=clock)
    await store.start()
    yield store
    await store.stop()


class TestCatalogue(CatalogueContract):
    @pytest.fixture
    def catalogue(self, store: SqliteStore) -> SqliteCatalogue:
        return store.catalogue


class TestKeyRing(KeyRingContract):
    @pytest.fixture
    def keyring(self, store: SqliteStore) -> SqliteKeyRing:
        return store.keyring


class TestRoster(RosterContract):
    @pytest.fixture
    def roster(self, store: SqliteStore) -> SqliteRoster:
        return store.roster


class TestServiceBook(ServiceBookContract):
    @pytest.fixture
    def leadership(self, store: SqliteStore) -> SqliteLeadership:
        return store.leadership

    @pytest.fixture
    def service_book(self, store: SqliteStore) -> SqliteServiceBook:
        return store.services


class TestLeadership(LeadershipContract):
    @pytest.fixture
    def leadership(self, store: SqliteStore) -> SqliteLeadership:
        return store.leadership


class TestMandates(MandateContract):
    @pytest.fixture
    def leadership(self, store: SqliteStore) -> SqliteLeadership:
        return store.leadership

    @pytest.fixture
    def stage(self, store: SqliteStore, clock: ManualClock) -> RunStage:
        return RunStage(ledger=store.ledger, book=store.book, clock=clock)


async def test_everything_survives_a_restart(tmp_path: Path, store: SqliteStore, clock: ManualClock) -> None:
    """INV-A5: a restart does not revive a revoked key."""
    await store.catalogue.save([definition(), definition(site_id=SHARED)])
    await store.keyring.save(record())
    await store.keyring.revoke(record().id, 7.5)
    await store.roster.save(worker())
    await store.services.save(service())
    await store.leadership.campaign("janitor", "a", duration_s=10)
    await store.stop()
    again = SqliteStore(tmp_path, clock=clock)
    await again.start()
    try:
        assert await again.catalogue.load() == [definition(), definition(site_id=SHARED)]
        assert await again.keyring.all() == [record(revoked_at=7.5)]
        assert await again.roster.all() == [worker()]
        assert await again.services.load() == [service()]
        assert await again.leadership.campaign("janitor", "b", duration_s=10) is None
    finally:
        await again.stop()
