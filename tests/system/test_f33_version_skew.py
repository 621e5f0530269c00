"""F33: gateways and workers of two versions side by side, in both directions, and a migration under traffic.

The earlier version is taken from this repository's history: the commit before the one that gave PostgreSQL its newest
tables. It serves, the database is widened under it, its gateways are replaced one by one, and one of them goes back.
Workers of both versions are connected to both, over WebSocket and gRPC. Every call is answered and every run done.
A gateway of the earlier version sends workers away whose run has just begun, which then is done again; so it is asked
to end while no stream's run is that young. Of this version that is not needed.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.system.cluster import ROOT, GatewayProcess, WorkerProcess
from tests.system.haproxy import HaProxy
from tests.system.pair import ROOT_SECRET, TERM_S
from tests.system.traffic import Traffic, Upstream, prepared, unfinished

pytestmark = pytest.mark.system

NEWEST = "src/taskgate/stores/postgres/migrations/uploads/0001_uploads.before.sql"
TASKS = "tests.system.talking"
TROUBLE = ("Traceback", "Exception", " ERROR ", '"error"', "level=error")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the version before the newest tables; a skip by name where the history is not there."""
    told = subprocess.run(
        ["git", "log", "--diff-filter=A", "--format=%H", "--", NEWEST], cwd=ROOT, check=False, capture_output=True
    )
    commits = told.stdout.decode().split()
    if told.returncode or not commits:
        pytest.skip("the history of the sources is not there")
    folder = tmp_path_factory.mktemp("earlier")
    packed = subprocess.run(
        ["git", "archive", f"{commits[-1]}^", "src", "tests"], cwd=ROOT, check=False, capture_output=True
    )
    if packed.returncode:
        pytest.skip("the history of the sources is not whole")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    talking = Path("tests/system/talking.py")
    (folder / talking).write_bytes((ROOT / talking).read_bytes())
    assert not (folder / NEWEST).exists()
    return folder


class Town:
    """Two gateways of the earlier version with workers of both, over one database."""

    def __init__(self, folder: Path, database: str, redis: str, earlier: Path) -> None:
        self.earlier = earlier
        self._database = database
        settings = {
            "TASKGATE_DATABASE__URL": database,
            "TASKGATE_REDIS__URL": redis,
            "TASKGATE_AUTH__ROOT_SECRET": ROOT_SECRET,
            "TASKGATE_RUNS__LEADER_TERM_S": str(TERM_S),
            "TASKGATE_HTTP__LEAVE_S": "0.5",
        }
        self.one, self.two = (
            GatewayProcess(folder / name, grpc=True, settings=settings, root=earlier) for name in ("one", "two")
        )
        self.balancer = HaProxy(folder / "haproxy", (self.one, self.two))
        self.workers: list[WorkerProcess] = []

    def start(self) -> None:
        self.one.start()
        self.two.folder.mkdir()
        for name in ("admin.key", "worker.key"):
            (self.two.folder / name).write_text((self.one.folder / name).read_text(encoding="utf-8"), encoding="utf-8")
        self.two.start()
        self.balancer.start()
        for root, place in ((self.earlier, "old"), (ROOT, "new")):
            self._hire(f"{place}-ws", root)
            self._hire(f"{place}-one", root, grpc=self.one)
            self._hire(f"{place}-two", root, grpc=self.two)

    def _hire(self, name: str, root: Path, *, grpc: GatewayProcess | None = None) -> None:
        more: dict[str, Any] = {} if grpc is None else {"transport": "grpc", "grpc": f"127.0.0.1:{grpc.grpc_port}"}
        made = WorkerProcess(self.one, name, tasks=TASKS, slots=2, url=self.balancer.url, root=root, **more)
        self.workers.append(made)

    async def become(self, gateway: GatewayProcess, root: Path, *, traffic: Traffic) -> None:
        """Replace a gateway by one of another version."""
        if gateway.root == self.earlier:
            await traffic.until_steady()
        assert await asyncio.to_thread(gateway.stop, 45.0) == 0
        gateway.root = root
        await asyncio.to_thread(gateway.start)

    async def upgrade(self, kind: str) -> str:
        """The operator's command, of the newer version."""
        command = [sys.executable, "-m", "taskgate", "db", "upgrade", f"--{kind}"]
        env = {**os.environ, "TASKGATE_DATABASE__URL": self._database}
        done = await asyncio.to_thread(
            subprocess.run, command, env=env, cwd=ROOT, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def logs(self) -> dict[str, str]:
        found = {"one": self.one.log(), "two": self.two.log()}
        return found | {worker.name: worker.log() for worker in self.workers}

    def stop(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.balancer.stop()
        for gateway in (self.two, self.one):
            gateway.kill()


@pytest.fixture
def town(tmp_path: Path, postgres: Postgres, redis: Redis, earlier: Path) -> Iterator[Town]:
    redis.command("FLUSHALL")
    made = Town(tmp_path, postgres.new_database(), redis.url, earlier)
    try:
        made.start()
        yield made
    finally:
        made.stop()


async def replaced(town: Town, traffic: Traffic, *, calm_s: float) -> None:
    """All steps of the page, and one back; `calm_s` of traffic between any two."""
    await asyncio.sleep(calm_s)
    assert "uploads/0001" in await town.upgrade("before")
    await asyncio.sleep(calm_s)
    await town.become(town.two, ROOT, traffic=traffic)  # the old beside the new
    await asyncio.sleep(calm_s)
    await town.become(town.one, ROOT, traffic=traffic)
    await asyncio.sleep(calm_s)
    await town.upgrade("after")
    await town.become(town.two, town.earlier, traffic=traffic)  # and back: the new beside the old
    await asyncio.sleep(calm_s)


async def skewed(town: Town, *, rate: float, calm_s: float) -> None:
    async with Upstream() as upstream:
        await prepared((town.one, town.two), upstream, workers=len(town.workers))
        traffic = Traffic(town.balancer.url, town.one.admin_key, rate=rate)
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.run())
            await replaced(town, traffic, calm_s=calm_s)
            traffic.end()
    lost = await unfinished(town.balancer.url, town.one.admin_key, traffic.accepted)
    print(f"\n{traffic.told()}, {len(lost)} lost")
    assert traffic.failures == []
    assert lost == []
    trouble = [f"{name}: {line}" for name, log in town.logs().items() for line in log.splitlines()
               if any(word in line for word in TROUBLE)]  # fmt: skip
    assert trouble == []


async def test_f33_gateways_of_two_versions(town: Town) -> None:
    await skewed(town, rate=60.0, calm_s=0.3)


@pytest.mark.soak
async def test_f33_gateways_of_two_versions_at_length(town: Town) -> None:
    await skewed(town, rate=200.0, calm_s=20.0)
