"""Two gateways over PostgreSQL and Redis, their history in MariaDB, and each killed in its turn while runs end.

The oracle is what callers were told: every run that ended is in the archive once (INV-T1), every deed of either
gateway is in one chain, and both are read while it all goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.servers.mariadb import MariaDb
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.system.cluster import Caller, GatewayProcess, SimpleWorker
from tests.system.pair import Pair
from tests.system.test_history import archived, command, until_archived

pytestmark = [pytest.mark.system, pytest.mark.soak]  # a leader that was killed is waited for, half a minute each time

RUNS = 8
PATIENCE_S = 40.0


class Town:
    """The two gateways, a worker at each, and everything that callers were told."""

    def __init__(self, pair: Pair, session: aiohttp.ClientSession) -> None:
        self.pair = pair
        self.session = session
        self.runs: list[str] = []
        self.keys: list[str] = []

    async def work(self, gateway: GatewayProcess, name: str) -> None:
        """Runs that end, and a key for every second of them, at one gateway."""
        caller = Caller(gateway, self.session)
        ids = [await caller.submit("echo", f"{name}-{number}", {"n": number}) for number in range(RUNS)]
        for number in range(0, RUNS, 2):
            self.keys.append(await self.key(gateway, f"{name}-{number}"))
        for run_id in ids:
            await caller.until_ended(run_id)
        self.runs += ids

    async def key(self, gateway: GatewayProcess, name: str) -> str:
        told = {"name": name, "scopes": ["read"]}
        headers = {"X-API-Key": gateway.admin_key}
        async with self.session.post(f"{gateway.url}/v1/keys", json=told, headers=headers) as answer:
            body: dict[str, Any] = await answer.json()
            assert answer.status == 201, body
            return str(body["id"])


async def asked(gateway: GatewayProcess, *arguments: str) -> Any:
    done = await asyncio.to_thread(command, gateway, *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


async def led_by(postgres: Postgres, database: str) -> str:
    """Who leads the archiver's duty, as soon as somebody does."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        text = await asyncio.to_thread(postgres.query, QUERY, url=database)
        if text:
            return text
        await asyncio.sleep(0.05)
    raise AssertionError("nobody leads the archiver")


QUERY = "SELECT holder FROM leaders WHERE duty LIKE '%archiv%' AND holder IS NOT NULL"


async def test_nothing_is_archived_twice_or_missed_when_the_leader_is_killed(
    postgres: Postgres, redis: Redis, mariadb: MariaDb, tmp_path: Path
) -> None:
    redis.command("FLUSHALL")
    database, history = postgres.new_database(), mariadb.new_database()
    more = {"TASKGATE_ARCHIVE__URL": history, "TASKGATE_ARCHIVE__DELAY_S": "0"}
    pair = Pair(tmp_path, database, redis.url, more=more)
    leaders = set[str]()
    try:
        pair.start()
        async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as stack:
            for number, gateway in enumerate((pair.one, pair.two)):
                task = asyncio.create_task(SimpleWorker(gateway, f"echo-{number}").run())
                stack.callback(task.cancel)
            town = Town(pair, session)
            await asyncio.gather(town.work(pair.one, "one"), town.work(pair.two, "two"))
            for killed, other in ((pair.one, pair.two), (pair.two, pair.one)):
                leaders.add(await led_by(postgres, database))
                working = asyncio.create_task(town.work(other, f"while-{killed.folder.name}-dies"))
                reading = asyncio.create_task(asked(other, "audit", "verify", "--json"))
                killed.kill()
                assert (await reading)["whole"]
                await asyncio.to_thread(archived, other, tmp_path / f"during-{killed.folder.name}.ndjson")
                await working
                await asyncio.to_thread(pair.start)
            lines = await until_archived(pair.one, town.runs, tmp_path / "history.ndjson")
            assert sorted(line["id"] for line in lines) == sorted(town.runs), "a run is in history twice"
            assert mariadb.query(f"SELECT count(*) FROM {history.rpartition('/')[2]}.archived_runs") == str(
                len(town.runs)
            )
            leaders.add(await led_by(postgres, database))
            assert len(leaders) >= 2, "the leader was never another: nothing was proved"
            for gateway in (pair.one, pair.two):
                told = await asked(gateway, "audit", "verify", "--json")
                assert (told["whole"], told["flaws"]) == (True, [])
                deeds = await asked(gateway, "audit", "ls", "--action", "key.create", "--outcome", "done",
                                    "--limit", "1000", "--json")  # fmt: skip
                assert sorted(deed["subject"] for deed in deeds) == sorted(town.keys)
    finally:
        pair.stop()
