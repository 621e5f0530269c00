"""S37, as far as it goes without namespaces: a task finds no credential, gains no privilege, reads no parent.

What needs namespaces (other tasks' folders, the network, the file system) is not held here, and the page on
workers says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.flows.worker.gateway import KEY, FakeGateway
from tests.flows.worker.rig import until

pytestmark = pytest.mark.security
ROOT = Path(__file__).parents[2]

HIDDEN = """
import ctypes, os, sys
from taskgate.worker.confinement import hide_memory

libc = ctypes.CDLL(None, use_errno=True)
PLACES = ("environ", "mem", "maps", "fd")


def look():
    if os.fork() == 0:
        parent, found = os.getppid(), []
        for place in PLACES:
            try:
                os.listdir(f"/proc/{parent}/fd") if place == "fd" else os.close(os.open(f"/proc/{parent}/{place}", 0))
                found.append(place)
            except OSError:
                pass
        print(*found, flush=True)
        os._exit(0)
    os.wait()


if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
    libc.prctl(4, 1, 0, 0, 0)  # changing the user hides too: undo that, or this test would show nothing
look()
hide_memory()
look()
"""


@pytest.fixture
async def found(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """What a task of a real worker finds; the worker got its key through its environment."""
    gateway = FakeGateway()
    await gateway.start()
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "taskgate", "worker", "--gateway", gateway.url, "--tasks", "tests.security.s37_tasks",
        "--slots", "1", "--name", "w1", "--state-dir", str(tmp_path / "state"),
        cwd=ROOT, env={**os.environ, "TASKGATE_API_KEY": KEY, "OTHER_SECRET": "canary"},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        run_id = gateway.offer("snoop")
        await until(lambda: gateway.result_of(run_id))
        result = gateway.result_of(run_id)
        assert result is not None
        yield msgspec.json.decode(bytes(result.result))
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.terminate()
        await asyncio.wait_for(worker.wait(), 20)
        await gateway.stop()


async def test_s37_a_task_finds_no_credential_and_no_privilege(found: dict[str, Any]) -> None:
    """INV-A6, INV-K2: a clean environment, a session of its own, no core files, no new privileges."""
    environment = found.pop("environment")
    assert "canary" not in " ".join(environment.values())
    assert KEY not in msgspec.json.encode([environment, found]).decode()
    assert found["is_leader"]
    assert "NoNewPrivs:\t1" in found["status"]
    assert int(found["oom_score_adj"]) >= 500
    core = next(line for line in found["limits"].splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    kinds = sorted(descriptor.split(":")[0] for descriptor in found["descriptors"])
    assert kinds == ["anon_inode", "listing", "socket"], "the tickets and the socket to the link process, no more"


def test_s37_the_processes_that_hold_the_credential_cannot_be_read() -> None:
    """By another process of the same user, which is what a task is; root is kept out by nothing but namespaces."""
    done = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, timeout=20, check=True)
    before, after = done.stdout.split("\n")[:2]
    assert before == "environ mem maps fd", "an ordinary process is open to others of its user"
    assert after == ""
