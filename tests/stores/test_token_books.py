"""Join tokens and revocations hold their contract in memory, in SQLite and in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskgate.identity.ports import TokenBook
from taskgate.stores.memory.tokens import MemoryTokenBook
from taskgate.stores.postgres.store import PostgresStore
from taskgate.stores.postgres.tokens import PostgresTokenBook
from taskgate.stores.sqlite.store import SqliteStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.tokens import TokenBookContract


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class TestInMemory(TokenBookContract):
    @pytest.fixture
    def token_book(self, clock: ManualClock) -> TokenBook:
        return MemoryTokenBook(clock)


class TestOnSqlite(TokenBookContract):
    @pytest.fixture
    async def token_book(self, clock: ManualClock, tmp_path: Path) -> AsyncIterator[TokenBook]:
        store = SqliteStore(tmp_path, clock=clock)
        await store.start()
        yield store.token_book
        await store.stop()


class TestOnPostgres(TokenBookContract):
    @pytest.fixture
    async def token_book(self, clock: ManualClock, postgres_url: str) -> AsyncIterator[TokenBook]:
        store = PostgresStore(postgres_url, clock=clock)
        await store.start()
        yield PostgresTokenBook(store.pool, store.moment)
        await store.stop()
