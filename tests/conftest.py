"""Real servers for tests, started by the first that asks: one of each kind, and a fresh part of it for every test.

A test that kills, freezes or fills a server makes its own (`tests/servers/`).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis


def pytest_sessionstart() -> None:
    """SIGTERM ends a session as Ctrl-C does: what its tests started is not left behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres") / "server", is_quick=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis") / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    server = MariaDb(tmp_path_factory.mktemp("mariadb") / "server", is_quick=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """A fresh, empty database."""
    return postgres.new_database()


@pytest.fixture(scope="session")
def postgres_tables(postgres: Postgres) -> str:
    """One database for the session, for tests that empty its tables themselves: quicker than a fresh one."""
    return postgres.new_database()


@pytest.fixture
def redis_url(redis: Redis) -> str:
    """An emptied Redis."""
    redis.command("FLUSHALL")
    return redis.url


@pytest.fixture
def mariadb_url(mariadb: MariaDb) -> str:
    """A fresh, empty database."""
    return mariadb.new_database()
