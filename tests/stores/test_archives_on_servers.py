"""Archives on real servers: the contract of all of them, and every history answered as in memory."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pymysql.cursors import Cursor

from taskgate.errors import StoreError, Unavailable
from taskgate.history.ports import EndedRuns, RunArchive
from taskgate.stores.memory.archive import MemoryRunArchive
from taskgate.stores.mysql.archive import MysqlRunArchive
from taskgate.stores.postgres.archive import PostgresRunArchive
from taskgate.stores.postgres.ended import PostgresEndedRuns
from taskgate.stores.postgres.store import PostgresStore
from taskgate.testing.archives import ended_run, found, history_of, played
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.archive import EndedRunsContract, RunArchiveContract
from taskgate.testing.stage import RunStage
from tests.servers.authority import Authority
from tests.servers.mariadb import MariaDb
from tests.stores.postgres_ground import emptied

STEPS = 70
BACK_S = 20.0


class TestPostgresArchive(RunArchiveContract):
    @pytest.fixture
    async def archive(self, postgres_url: str) -> AsyncIterator[RunArchive]:
        made = PostgresRunArchive(postgres_url)
        await made.start()
        yield made
        await made.stop()


class TestPostgresEnded(EndedRunsContract):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    async def store(self, postgres_tables: str, clock: ManualClock) -> AsyncIterator[PostgresStore]:
        async with emptied(postgres_tables, clock) as store:
            yield store

    @pytest.fixture
    def stage(self, store: PostgresStore, clock: ManualClock) -> RunStage:
        return RunStage(ledger=store.ledger, book=store.book, clock=clock)

    @pytest.fixture
    def ended(self, store: PostgresStore) -> EndedRuns:
        return PostgresEndedRuns(store.pool)


class TestMariaDbArchive(RunArchiveContract):
    @pytest.fixture
    async def archive(self, mariadb_url: str) -> AsyncIterator[RunArchive]:
        made = MysqlRunArchive(mariadb_url)
        await made.start()
        yield made
        await made.stop()


@pytest.mark.parametrize("seed", range(3))
async def test_mariadb_answers_every_history_like_memory(seed: int, mariadb_url: str) -> None:
    await _is_like_memory(MysqlRunArchive(mariadb_url), seed)


@pytest.mark.parametrize("seed", range(3))
async def test_postgres_answers_every_history_like_memory(seed: int, postgres_url: str) -> None:
    await _is_like_memory(PostgresRunArchive(postgres_url), seed)


async def _is_like_memory(archive: MysqlRunArchive | PostgresRunArchive, seed: int) -> None:
    commands = history_of(Random(seed), steps=STEPS)
    await archive.start()
    try:
        assert await played(archive, commands) == await played(MemoryRunArchive(), commands)
    finally:
        await archive.stop()


async def test_two_gateways_open_an_empty_server_at_once(postgres_url: str, mariadb_url: str) -> None:
    for kind, url in ((PostgresRunArchive, postgres_url), (MysqlRunArchive, mariadb_url)):
        both = [kind(url), kind(url)]
        await asyncio.gather(*(one.start() for one in both))
        await asyncio.gather(*(one.record([ended_run(number) for number in range(1, 9)]) for one in both))
        assert len(await found(both[0])) == 8
        await asyncio.gather(*(one.stop() for one in both))


async def test_a_large_run_is_copied_again_after_the_packet_size_changed(mariadb_url: str) -> None:
    """Its pieces are the same ones then: whoever stopped later is taken over, and the body stays whole."""
    text = b'"' + bytes(Random(4).choices(range(97, 123), k=3_000_000)) + b'"'
    for packet_bytes, stopped_at in ((1 << 24, None), (1 << 20, 2e9)):
        archive = MysqlRunArchive(mariadb_url)
        await archive.start()
        archive._writer.packet_bytes = packet_bytes  # as the server would tell it
        run = ended_run(1, input=text, stopped_at=stopped_at)
        await archive.record([run])
        assert await archive.get([run.id]) == [run]
        await archive.stop()


async def test_a_refused_credential_is_an_operators_matter(mariadb_url: str) -> None:
    assert await _refused(mariadb_url.replace("secret-of-a-test", "wrong")) == "STORE_REFUSED"


async def test_a_locked_user_is_an_operators_matter(mariadb: MariaDb, mariadb_url: str) -> None:
    mariadb.query("CREATE USER IF NOT EXISTS 'locked'@'127.0.0.1' IDENTIFIED BY 'secret-of-a-test' ACCOUNT LOCK")
    assert await _refused(mariadb_url.replace("taskgate:", "locked:")) == "STORE_REFUSED"


async def test_a_server_is_believed_by_its_certificate_alone(
    mariadb: MariaDb, mariadb_url: str, tmp_path: Path
) -> None:
    """One that is not believed is an operator's matter, not a server that is away and will be back."""
    believed = f"{mariadb_url}?ssl_ca={mariadb.authority.path}"
    archive = MysqlRunArchive(believed)
    await archive.start()
    ((name, cipher),) = await archive._reader.use(_cipher)
    await archive.stop()
    assert (name, bool(cipher)) == ("Ssl_cipher", True)
    assert await _refused(believed.replace("127.0.0.1", "localhost")) == "STORE_UNTRUSTED"
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    for other in (Authority(tmp_path / "other").path, rubbish, tmp_path / "missing.pem"):
        assert await _refused(f"{mariadb_url}?ssl_ca={other}") == "STORE_UNTRUSTED"


def _cipher(cursor: Cursor) -> Any:
    cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
    return cursor.fetchall()


async def _refused(url: str) -> str:
    """The code that its start ends with."""
    archive = MysqlRunArchive(url)
    try:
        with pytest.raises(StoreError) as refused:
            await archive.start()
    finally:
        await archive.stop()
    assert "secret" not in str(refused.value)
    return refused.value.code


async def test_a_server_that_does_not_flush_is_named(mariadb_url: str, caplog: pytest.LogCaptureFixture) -> None:
    archive = MysqlRunArchive(mariadb_url)
    with caplog.at_level(logging.WARNING):
        await archive.start()
    await archive.stop()
    assert "innodb_flush_log_at_trx_commit is 0" in caplog.text


async def _recorded(archive: MysqlRunArchive, number: int) -> None:
    """Record it as soon as the breaker lets somebody see that the server is back."""
    async with asyncio.timeout(BACK_S):
        while True:
            try:
                return await archive.record([ended_run(number)])
            except Unavailable as error:
                await asyncio.sleep(error.retry_after_s / 4)


async def test_a_killed_server_is_away_and_comes_back(tmp_path: Path) -> None:
    """Before it is there, killed, killed between two calls, standing still: typed, bounded, and mended by itself."""
    server = MariaDb(tmp_path / "server")
    archive = MysqlRunArchive(server.url("test_1"), timeout_s=1.0)
    await archive.start()
    try:
        with pytest.raises(Unavailable):
            await archive.record([ended_run(1)])
        server.start()
        server.new_database()
        await _recorded(archive, 1)
        server.kill()
        with pytest.raises(Unavailable):
            await archive.record([ended_run(2)])
        server.start()
        await _recorded(archive, 2)
        server.kill()
        server.start()
        assert len(await found(archive)) == 2
        server.signal(signal.SIGSTOP)
        with pytest.raises(Unavailable):
            await archive.record([ended_run(3)])
        server.signal(signal.SIGCONT)
        await _recorded(archive, 3)
        assert len(await found(archive)) == 3
    finally:
        await archive.stop()
        server.stop()
