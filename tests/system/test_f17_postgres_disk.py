"""F17: the disk of PostgreSQL is full: told within two seconds, reads go on, and space mends it without a restart."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.servers.postgres import Postgres
from tests.system.cluster import GatewayProcess

pytestmark = pytest.mark.system

ANSWER_S = 2.0
STALL_S = 2.0  # what a busy test machine may add
BACK_S = 10.0
LARGE = 400_000
DISK = "32m"
ROOM_BYTES = 6 << 20


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small file system that the server may write to."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system needs root and mount(8)")
    folder = Path("/tmp") / f"taskgate-disk-{os.getpid()}"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"this machine mounts no tmpfs: {mounted.stderr.decode().strip()}")
    (folder / "tables").mkdir()
    shutil.chown(folder / "tables", "postgres", "postgres")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


@pytest.fixture
def server(tmp_path: Path, disk: Path) -> Iterator[Postgres]:
    """A server whose tables, and they alone, stand on the small disk."""
    made = Postgres(tmp_path / "postgres", is_quick=True)
    made.start()
    yield made
    made.stop()


async def test_f17_the_disk_of_the_tables_is_full(server: Postgres, disk: Path, tmp_path: Path) -> None:
    server.query(f"CREATE TABLESPACE small LOCATION '{disk}/tables'")
    server.query("CREATE DATABASE small TEMPLATE template0 TABLESPACE small")
    gateway = GatewayProcess(tmp_path / "one", settings={"TASKGATE_DATABASE__URL": server.url("small")})
    gateway.start()
    try:
        async with aiohttp.ClientSession(gateway.url, headers={"X-API-Key": gateway.admin_key}) as session:
            told = {"targets": [{"kind": "workers"}]}
            async with session.put("/v1/tasks/t", json=told) as answer:
                assert answer.status in (200, 201), await answer.text()
            (disk / "filler").write_bytes(bytes(_left(disk) - ROOM_BYTES))
            accepted = await until_full(session)
            await still_read(session, accepted)
            (disk / "filler").unlink()
            began = time.monotonic()
            while (await submitted(session))[0] != 202:
                assert time.monotonic() - began < BACK_S
                await asyncio.sleep(0.05)
            await still_read(session, accepted)
    finally:
        gateway.kill()
    assert int(server.query("SELECT count(*) FROM runs", url=server.url("small"))) > len(accepted)


async def until_full(session: aiohttp.ClientSession) -> list[str]:
    """Runs that were accepted until three in a row were refused for want of room, each in time."""
    accepted: list[str] = []
    refusals = 0
    while refusals < 3:
        began = time.monotonic()
        status, body = await submitted(session)
        assert time.monotonic() - began < ANSWER_S + STALL_S
        if status == 202:
            accepted.append(body["id"])
            assert len(accepted) < 500, "the disk never became full"
            refusals = 0
        else:
            assert (status, body["code"]) == (503, "STORE_FULL")
            refusals += 1
    assert len(accepted) > 2
    return accepted


async def submitted(session: aiohttp.ClientSession) -> tuple[int, dict[str, str]]:
    async with session.post("/v1/tasks/t/runs", json={"input": "x" * LARGE}) as answer:
        return answer.status, await answer.json()


async def still_read(session: aiohttp.ClientSession, run_ids: list[str]) -> None:
    for run_id in run_ids:
        async with session.get(f"/v1/runs/{run_id}") as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "queued")


def _left(disk: Path) -> int:
    room = os.statvfs(disk)
    return room.f_bavail * room.f_frsize
