"""Every audit log holds one contract, outlives its process, and whatever was tampered with is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from taskgate.audit.chain import Link, Verifier, hash_of
from taskgate.audit.entry import Entry, encoded
from taskgate.audit.ports import AuditLog
from taskgate.clock import SystemClock
from taskgate.stores.memory.audit import MemoryAuditLog
from taskgate.stores.postgres.audit import PostgresAuditLog
from taskgate.stores.postgres.store import PostgresStore
from taskgate.stores.sqlite.audit import FILE, SqliteAuditLog
from taskgate.testing.contracts.audit import AuditLogContract, deed, flaws_of


class TestMemory(AuditLogContract):
    @pytest.fixture
    def log(self) -> AuditLog:
        return MemoryAuditLog()


class TestSqlite(AuditLogContract):
    @pytest.fixture
    async def log(self, tmp_path: Path) -> AsyncIterator[AuditLog]:
        made = SqliteAuditLog(tmp_path)
        await made.start()
        yield made
        await made.stop()


class TestPostgres(AuditLogContract):
    @pytest.fixture
    async def log(self, postgres_url: str) -> AsyncIterator[AuditLog]:
        store = PostgresStore(postgres_url, clock=SystemClock())
        await store.start()
        yield PostgresAuditLog(store.pool)
        await store.stop()


async def test_two_gateways_write_one_chain(postgres_url: str) -> None:
    stores = [PostgresStore(postgres_url, clock=SystemClock()) for _ in range(2)]
    for store in stores:
        await store.start()
    logs = [PostgresAuditLog(store.pool) for store in stores]
    await asyncio.gather(*(logs[number % 2].append([deed(number)]) for number in range(40)))
    assert len(await logs[0].chain(0, 99)) == 40
    assert await flaws_of(logs[1]) == []
    for store in stores:
        await store.stop()


@pytest.mark.parametrize(
    ("tampering", "flaw"),
    [
        ("SELECT 1", ""),
        (
            "UPDATE audit_entries SET content = CAST(replace(content, 'subject-4', 'x') AS BLOB) WHERE seq = 4",
            "entry 4",
        ),
        ("UPDATE audit_entries SET hash = (SELECT hash FROM audit_entries WHERE seq = 5) WHERE seq = 4", "entry 4"),
        ("DELETE FROM audit_entries WHERE seq = 4", "between 3 and 5"),
        ("DELETE FROM audit_entries WHERE seq >= 8", "ends at 7"),
        ("DELETE FROM audit_entries WHERE seq <= 2", "between 0 and 3"),
        ("DELETE FROM audit_entries", "ends at 0"),
        ("UPDATE audit_entries SET seq = -seq WHERE seq IN (4, 5)", "between 3 and 6"),
    ],
)
async def test_tampering_is_found_after_a_restart(tmp_path: Path, tampering: str, flaw: str) -> None:
    log = SqliteAuditLog(tmp_path)
    await log.start()
    await log.append([deed(number) for number in range(1, 10)])
    await log.stop()
    connection = apsw.Connection(str(tmp_path / FILE))
    connection.execute(tampering)
    connection.close()
    again = SqliteAuditLog(tmp_path)
    await again.start()
    flaws = await flaws_of(again)
    await again.stop()
    assert flaw in "; ".join(flaws)
    assert bool(flaws) == bool(flaw)


async def test_an_entry_that_is_forged_with_its_own_hash_breaks_the_next() -> None:
    entries = await MemoryAuditLog().append([deed(number) for number in range(1, 5)])
    content = encoded(deed(9))
    verifier = Verifier(Link())
    for entry in [entries[0], Entry(2, content, hash_of(entries[0].hash, content, seq=2)), *entries[2:]]:
        verifier.follow(entry)
    assert verifier.flaws == ["entry 3 was changed, or the one before it"]
