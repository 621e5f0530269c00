"""The PostgreSQL stores of definitions, keys, workers, services and recorded calls hold the contract of every store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from taskgate.clock import SystemClock
from taskgate.stores.postgres.calls import PostgresCallRecords
from taskgate.stores.postgres.catalogue import PostgresCatalogue
from taskgate.stores.postgres.keys import PostgresKeyRing
from taskgate.stores.postgres.leadership import PostgresLeadership
from taskgate.stores.postgres.moments import moment_of
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.roster import PostgresRoster
from taskgate.stores.postgres.services import PostgresServiceBook
from taskgate.stores.postgres.statements import sql
from taskgate.stores.postgres.store import PostgresStore
from taskgate.testing.contracts.calls import CallRecordsContract, call
from taskgate.testing.contracts.catalogue import CatalogueContract, definition
from taskgate.testing.contracts.keys import KeyRingContract, record
from taskgate.testing.contracts.roster import RosterContract
from taskgate.testing.contracts.services import ServiceBookContract
from tests.servers.postgres import Postgres

TABLES = ("definitions", "current_definitions", "keys", "workers", "services", "calls", "leaders")


@pytest.fixture(scope="module")
def registers_url(postgres: Postgres) -> str:
    """One database for all tests here, which each find it empty: tables are made once."""
    url = postgres.new_database()

    async def made() -> None:
        store = PostgresStore(url, clock=SystemClock())
        await store.start()
        await store.stop()

    asyncio.run(made())
    return url


@pytest.fixture
async def pool(registers_url: str) -> AsyncIterator[Pool]:
    pool = Pool(registers_url)
    await pool.start()
    for table in TABLES:
        await pool.fetch(f"DELETE FROM {table}")
    yield pool
    await pool.stop()


class TestCatalogue(CatalogueContract):
    @pytest.fixture
    def catalogue(self, pool: Pool) -> PostgresCatalogue:
        return PostgresCatalogue(pool)


class TestKeyRing(KeyRingContract):
    @pytest.fixture
    def keyring(self, pool: Pool) -> PostgresKeyRing:
        return PostgresKeyRing(pool)


class TestRoster(RosterContract):
    @pytest.fixture
    def roster(self, pool: Pool) -> PostgresRoster:
        return PostgresRoster(pool)


class TestServiceBook(ServiceBookContract):
    @pytest.fixture
    def leadership(self, pool: Pool) -> PostgresLeadership:
        return PostgresLeadership(pool, moment_of(SystemClock()))

    @pytest.fixture
    def service_book(self, pool: Pool) -> PostgresServiceBook:
        return PostgresServiceBook(pool)


class TestCallRecords(CallRecordsContract):
    @pytest.fixture
    def calls(self, pool: Pool) -> PostgresCallRecords:
        return PostgresCallRecords(pool)


async def test_gateways_that_save_definitions_at_once_agree_on_the_newest(pool: Pool) -> None:
    """None waits for ever, and whoever loads, loads the same order."""
    gateways = [PostgresCatalogue(pool) for _ in range(6)]
    names = ["a.task", "b.task", "c.task"]

    def said(number: int) -> list[str]:
        return names if number % 2 else names[::-1]

    await asyncio.gather(
        *(
            gateway.save([definition(name, description=str(number)) for name in said(number)])
            for number, gateway in enumerate(gateways)
        )
    )
    loaded = await gateways[0].load()
    assert len({one.description for one in loaded}) == 1
    assert [one.name for one in loaded] == said(int(loaded[0].description))


async def test_a_key_is_revoked_by_one_of_many(pool: Pool) -> None:
    """INV-A5: the first moment stays, whichever gateway was asked."""
    gateways = [PostgresKeyRing(pool) for _ in range(5)]
    await gateways[0].save(record())
    moments = [50.0 + number for number in range(5)]
    told = await asyncio.gather(*(ring.revoke(record().id, at) for ring, at in zip(gateways, moments, strict=True)))
    assert sum(told) == 1
    assert await gateways[1].all() == [record(revoked_at=moments[told.index(True)])]


@pytest.mark.parametrize(
    ("name", "index", "arguments"),
    [
        ("calls_find", "calls_pkey", ["z", 5, "", "", "", None, None, None]),
        ("calls_find_of_site", "calls_of_site", ["z", 5, "", "", "", None, None, "site-7"]),
        ("calls_find_of_request", "calls_of_request", ["z", 5, "", "", "", None, None, None, "request-1"]),
        ("calls_purge", "calls_by_age", [1.0, 5]),
    ],
)
async def test_no_look_walks_over_all_records(pool: Pool, name: str, index: str, arguments: list[object]) -> None:
    """Of a table that its server knows: a guess about a small fresh one is a matter of luck."""
    await PostgresCallRecords(pool).append([call(number, site_id=f"site-{number % 50}") for number in range(1000)])
    await pool.fetch("ANALYZE calls")
    plan = " ".join(row[0] for row in await pool.fetch(f"EXPLAIN {sql(name)}", *arguments))
    assert index in plan
    assert "Sort" not in plan
