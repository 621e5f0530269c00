"""Uploaded logs in memory, on SQLite and on PostgreSQL hold one contract; what was acknowledged outlives a kill."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskgate.clock import SystemClock
from taskgate.journal.pieces import PIECE_BYTES, Taken
from taskgate.journal.ports import RunLogs
from taskgate.stores.memory.run_logs import MemoryRunLogs
from taskgate.stores.postgres.run_logs import PostgresRunLogs
from taskgate.stores.postgres.store import PostgresStore
from taskgate.stores.sqlite.run_logs import SqliteRunLogs
from taskgate.testing.contracts.run_logs import OUT, SMALL_BYTES, RunLogsContract, piece, whole


class TestMemory(RunLogsContract):
    @pytest.fixture
    def logs(self) -> RunLogs:
        return MemoryRunLogs()

    @pytest.fixture
    def small_logs(self) -> RunLogs:
        return MemoryRunLogs(limit_bytes=SMALL_BYTES)


class TestSqlite(RunLogsContract):
    @pytest.fixture
    async def logs(self, tmp_path: Path) -> AsyncIterator[RunLogs]:
        async for logs in opened(SqliteRunLogs(tmp_path)):
            yield logs

    @pytest.fixture
    async def small_logs(self, tmp_path: Path) -> AsyncIterator[RunLogs]:
        async for logs in opened(SqliteRunLogs(tmp_path, limit_bytes=SMALL_BYTES)):
            yield logs


class TestPostgres(RunLogsContract):
    @pytest.fixture
    async def store(self, postgres_tables: str) -> AsyncIterator[PostgresStore]:
        store = PostgresStore(postgres_tables, clock=SystemClock(), patience_s=10.0)
        await store.start()
        await store.pool.fetch("TRUNCATE run_logs, run_log_pieces")
        yield store
        await store.stop()

    @pytest.fixture
    def logs(self, store: PostgresStore) -> RunLogs:
        return PostgresRunLogs(store.floods)

    @pytest.fixture
    def small_logs(self, store: PostgresStore) -> RunLogs:
        return PostgresRunLogs(store.floods, limit_bytes=SMALL_BYTES)


async def opened(logs: SqliteRunLogs) -> AsyncIterator[SqliteRunLogs]:
    await logs.start()
    yield logs
    await logs.stop()


UPLOADER = """
import asyncio, sys
from pathlib import Path
from taskgate.journal.pieces import PIECE_BYTES
from taskgate.stores.sqlite.run_logs import SqliteRunLogs
from taskgate.testing.contracts.run_logs import piece

async def main() -> None:
    logs = SqliteRunLogs(Path(sys.argv[1]))
    await logs.start()
    for number in range(10_000):
        await logs.write(piece(bytes([number % 251]) * PIECE_BYTES, number * PIECE_BYTES))
        print(number, flush=True)

asyncio.run(main())
"""


async def test_f19_what_was_acknowledged_before_a_kill_is_there_whole(tmp_path: Path) -> None:
    """kill -9 amid a piece: no acknowledged byte is missing, and no piece is there in part."""
    command = [sys.executable, "-c", UPLOADER, str(tmp_path)]
    uploader = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert uploader.stdout is not None
    told = b"".join([await uploader.stdout.readline() for _ in range(5)])
    uploader.kill()
    told += await uploader.stdout.read()
    await uploader.wait()
    acknowledged = int(told.split()[-1])
    async for logs in opened(SqliteRunLogs(tmp_path)):
        (log,) = await logs.find(OUT.run_id)
        assert log.size_bytes >= (acknowledged + 1) * PIECE_BYTES
        assert log.size_bytes % PIECE_BYTES == 0
        for number in range(log.size_bytes // PIECE_BYTES):
            assert (
                await logs.content(OUT, number * PIECE_BYTES, limit=PIECE_BYTES) == bytes([number % 251]) * PIECE_BYTES
            )
        taken, _ = await logs.write(piece(b"on", log.size_bytes))
        assert taken is Taken.STORED


async def test_the_logs_of_a_folder_outlive_their_process(tmp_path: Path) -> None:
    for content, offset in ((b"one ", 0), (b"two", 4)):
        async for logs in opened(SqliteRunLogs(tmp_path)):
            await logs.write(piece(content, offset))
    async for logs in opened(SqliteRunLogs(tmp_path)):
        assert await whole(logs) == b"one two"
