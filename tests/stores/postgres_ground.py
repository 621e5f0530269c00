"""A PostgreSQL store for a test: tables that are there already, emptied, and all the patience of a busy machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskgate.clock import Clock
from taskgate.stores.postgres.store import PostgresStore

PATIENCE_S = 30.0


@asynccontextmanager
async def emptied(url: str, clock: Clock) -> AsyncIterator[PostgresStore]:
    """A started store without a row in any of its tables."""
    store = PostgresStore(url, clock=clock, patience_s=PATIENCE_S)
    await store.start()
    try:
        await empty(store)
        yield store
    finally:
        await store.stop()


async def empty(store: PostgresStore) -> None:
    """Delete every row of every table; which migrations were applied stays."""
    named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'taskgate_migrations'"
    tables = ", ".join(row[0] for row in await store.pool.fetch(named))
    await store.pool.fetch(f"TRUNCATE {tables}")
