"""S36: a worker that is not what it says: join tokens played again, another's id, the same id twice, slots without end.

Over both doors of a real gateway.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskgate.errors import Unauthenticated
from taskgate.wire import messages as m
from tests.edge.workers.doors import Doors, open_doors

pytestmark = pytest.mark.security
BOTH = pytest.mark.parametrize("door", ["websocket", "grpc"])


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with open_doors(tmp_path) as opened:
        yield opened


async def invited(doors: Doors, **members: Any) -> str:
    """A join token."""
    keys = doors.server.gateway.keys
    _, text = await keys.create(None, name="boss", scopes=("admin",))
    _, token = await doors.server.gateway.entrance.invitations.invite(await keys.authenticate(text), **members)
    return token


async def joined(doors: Doors, worker_id: str, **members: Any) -> str:
    """The key of a worker that has just joined."""
    invitations = doors.server.gateway.entrance.invitations
    shown = await invitations.authenticate(await invited(doors, **members))
    _, key = await invitations.redeem(shown, worker_id=worker_id)
    return key


@BOTH
async def test_a_key_is_good_for_its_own_worker_alone(doors: Doors, door: str) -> None:
    key = await joined(doors, "gpu-1", site_id="acme")
    other = await doors.dial(door, "gpu-2", key=key)
    await other.wire.say(m.Hello(worker_id="gpu-2", capabilities=["demo.echo"], slots=1, versions=[1]))
    assert await other.wire.status() != 0
    assert "gpu-2" not in [holder.id for holder in doors.server.gateway.fleet]
    own = await doors.dial(door, "gpu-1", key=key)
    assert (await own.hello("gpu-1")).worker_id == "gpu-1"


@BOTH
async def test_the_newer_of_two_fences_the_older(doors: Doors, door: str) -> None:
    key = await joined(doors, "gpu-1", site_id="acme")
    older = await doors.dial(door, "gpu-1", key=key)
    await older.hello("gpu-1", instance="one")
    newer = await doors.dial(door, "gpu-1", key=key)
    await newer.hello("gpu-1", instance="two")
    assert await older.wire.status() != 0
    found = doors.server.gateway.fleet.find("gpu-1")
    assert found is not None
    assert found.instance == "two"


@BOTH
async def test_slots_without_end_are_capped(doors: Doors, door: str) -> None:
    worker = await doors.dial(door, "gpu-1", key=await joined(doors, "gpu-1", site_id="acme"))
    await worker.hello("gpu-1", slots=1_000_000_000)
    found = doors.server.gateway.fleet.find("gpu-1")
    assert found is not None
    assert found.slots <= 4096


async def test_a_join_token_played_again(doors: Doors) -> None:
    """Ten at once, and later: one key is made."""
    invitations = doors.server.gateway.entrance.invitations
    token = await invited(doors, site_id="acme")
    shown = await invitations.authenticate(token)
    before = len(await doors.server.gateway.keys.all())

    async def redeem(number: int) -> bool:
        try:
            await invitations.redeem(shown, worker_id=f"w{number}")
        except Unauthenticated:
            return False
        return True

    assert sum(await asyncio.gather(*map(redeem, range(10)))) == 1
    assert len(await doors.server.gateway.keys.all()) == before + 1
    with pytest.raises(Unauthenticated):
        await invitations.authenticate(token)


@pytest.mark.parametrize("change", [lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"), lambda t: t + "=", str.upper])
async def test_a_join_token_misspelt(doors: Doors, change: Any) -> None:
    with pytest.raises(Unauthenticated):
        await doors.server.gateway.entrance.invitations.authenticate(change(await invited(doors)))


def command(url: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of taskgate on another machine, as it were."""
    env = {**os.environ, "TASKGATE_URL": url, "NO_COLOR": "1"}
    env.pop("TASKGATE_API_KEY", None)
    line = [sys.executable, "-m", "taskgate", *words]
    return subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


async def test_a_machine_joins_once(doors: Doors, tmp_path: Path) -> None:
    """The command writes the worker's own key where only its owner reads it; the second machine is refused."""
    token, home = await invited(doors, site_id="acme", worker_id="gpu-1"), tmp_path / "machine"
    home.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    wrong = await asyncio.to_thread(
        command, doors.server.url, other, "workers", "join", "--token", token, "--name", "gpu-2"
    )
    assert wrong.returncode == 1
    assert not (other / ".taskgate" / "worker.json").exists()
    done = await asyncio.to_thread(
        command, doors.server.url, home, "workers", "join", "--token", token, "--name", "gpu-1"
    )
    assert done.returncode == 0, done.stderr
    file = home / ".taskgate" / "worker.json"
    told = json.loads(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert told["token"] not in done.stdout + done.stderr
    principal = await doors.server.gateway.keys.authenticate(told["token"])
    assert (principal.worker_id, principal.site_id, principal.scopes) == ("gpu-1", "acme", frozenset({"worker"}))
    again = await asyncio.to_thread(
        command, doors.server.url, other, "workers", "join", "--token", token, "--name", "gpu-1"
    )
    assert again.returncode == 1
    assert "BAD_JOIN_TOKEN" in again.stderr + again.stdout or "join token" in again.stderr
