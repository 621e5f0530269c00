"""Schema steps around a rolling deploy: applied once, in order, in their kind, and never under a gateway's feet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner

from taskgate.cli.root import root
from taskgate.clock import SystemClock
from taskgate.errors import StoreError
from taskgate.stores.postgres.migrating import MIGRATIONS, prepare, read_schema, steps_of, upgrade
from taskgate.stores.postgres.store import PostgresStore
from tests.system.cluster import free_port

STEPS = {
    "0001_one.before.sql": "CREATE TABLE one (a int)",
    "0002_more.before.sql": "ALTER TABLE one ADD COLUMN b int",
    "0003_less.after.sql": "ALTER TABLE one DROP COLUMN a",
    "0004_next.before.sql": "ALTER TABLE one ADD COLUMN c int",
}


def folder_of(path: Path, count: int) -> Path:
    """The steps of a release that has so many."""
    room = path / f"release-{count}" / "room"
    room.mkdir(parents=True)
    for name in sorted(STEPS)[:count]:
        (room / name).write_text(STEPS[name])
    return room.parent


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def test_a_rolling_deploy(connection: Any, tmp_path: Path) -> None:
    first, second = folder_of(tmp_path, 1), folder_of(tmp_path, 3)
    await prepare(connection, first)
    with pytest.raises(StoreError, match="upgrade --before") as caught:
        await prepare(connection, second)
    assert caught.value.code == "STORE_OUTDATED"
    assert [str(step) for step in await upgrade(connection, "before", folder=second)] == ["room/0002_more.before"]
    await prepare(connection, first)  # a gateway of the version before may still start
    await prepare(connection, second)
    assert [str(step) for step in await upgrade(connection, "after", folder=second)] == ["room/0003_less.after"]
    await prepare(connection, second)
    with pytest.raises(StoreError) as caught:
        await prepare(connection, first)
    assert caught.value.code == "STORE_TOO_NEW"
    assert await upgrade(connection, folder=second) == []


async def test_a_step_never_overtakes_an_earlier_one(connection: Any, tmp_path: Path) -> None:
    last = folder_of(tmp_path, 4)
    await upgrade(connection, folder=folder_of(tmp_path, 2))
    with pytest.raises(StoreError, match="upgrade --after"):
        await upgrade(connection, "before", folder=last)
    assert len(await upgrade(connection, folder=last)) == 2


async def test_a_step_that_fails_leaves_the_ones_before_it(connection: Any, tmp_path: Path) -> None:
    broken = folder_of(tmp_path, 2)
    (broken / "room" / "0002_more.before.sql").write_text("ALTER TABLE one ADD COLUMN b int; SELECT 1/0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await upgrade(connection, folder=broken)
    assert [step.number for step in (await read_schema(connection, broken)).applied] == [1]
    assert len(await upgrade(connection, folder=folder_of(tmp_path, 3))) == 2


async def test_gateways_that_start_together_make_the_tables_once(postgres_url: str) -> None:
    stores = [PostgresStore(postgres_url, clock=SystemClock(), patience_s=30) for _ in range(4)]
    await asyncio.gather(*(store.start() for store in stores))
    rows = await stores[0].pool.fetch("SELECT count(*) FROM taskgate_migrations")
    await asyncio.gather(*(store.stop() for store in stores))
    assert rows[0][0] == len(steps_of(MIGRATIONS))


def test_db_commands(postgres_url: str) -> None:
    run = CliRunner()
    env = {"DATABASE_URL": postgres_url, "DATABASE_URL_ASYNCPG_DRIVER": "", "TASKGATE_DATABASE__URL": None}
    before = run.invoke(root, ["db", "check", "--json"], env=env)
    assert (before.exit_code, json.loads(before.stdout)["state"].partition(":")[0]) == (1, "empty")
    applied = run.invoke(root, ["db", "upgrade", "--json"], env=env)
    assert len(json.loads(applied.stdout)["applied"]) == len(steps_of(MIGRATIONS))
    assert run.invoke(root, ["db", "upgrade", "--after"], env=env).stdout.strip() == "nothing to do"
    after = run.invoke(root, ["db", "check", "--json"], env=env)
    told = json.loads(after.stdout)
    assert told["writable"] is True
    assert (told["pending_before"], told["unknown"]) == ([], [])
    assert abs(told["clock_skew_s"]) < 5
    refused = run.invoke(root, ["db", "check"], env={**env, "DATABASE_URL": "sqlite:"})
    assert refused.exit_code == 1
    assert run.invoke(root, ["db", "check", "--nonsense"], env=env).exit_code == 2
    nowhere = f"postgresql://taskgate:canary@127.0.0.1:{free_port()}/one"
    away = run.invoke(root, ["db", "check"], env={**env, "DATABASE_URL": nowhere})
    assert away.exit_code == 1
    assert f"nobody answers at {nowhere.partition('@')[2]}" in away.stderr
    assert "canary" not in away.stderr
