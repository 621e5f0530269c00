"""F27: the gateway is killed and started again, and all of its workers come back at once.

They come back within seconds, with few tries each, and HTTP is answered meanwhile. The workers are light ones in a
process of their own; what they count and what the callers saw is the oracle.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.cluster import ROOT, GatewayProcess

WORKERS = 500
MOST_TRIES = 1.5
PROBE_EACH_S = 0.03
MIB = 1 << 20


class Probes:
    """Callers of HTTP, while everybody comes back."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self.took: list[float] = []

    async def run(self) -> None:
        headers = {"X-API-Key": self._gateway.admin_key}
        async with aiohttp.ClientSession(self._gateway.url, headers=headers) as session:
            while True:
                for path in ("/health/ready", "/v1/runs?limit=1"):
                    began = time.monotonic()
                    async with session.get(path) as answer:
                        assert answer.status == 200, await answer.text()
                        await answer.read()
                    self.took.append(time.monotonic() - began)
                await asyncio.sleep(PROBE_EACH_S)

    def quantile(self, part: float) -> float:
        ranked = sorted(self.took)
        return ranked[max(0, math.ceil(part * len(ranked)) - 1)]


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had, as the kernel counts it."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


async def come_back(folder: Path, *, count: int, within_s: float) -> dict[str, Any]:
    """Seat so many workers, kill the gateway and start it: what came of it."""
    gateway = GatewayProcess(folder / "data")
    gateway.start()
    command = [sys.executable, "-m", "tests.system.crowd", str(gateway.port), gateway.worker_key, str(count)]
    crowd = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=ROOT)
    assert crowd.stdout is not None
    assert crowd.stdin is not None
    try:
        async with asyncio.timeout(within_s + 30):
            assert await crowd.stdout.readline() == b"up\n"
            gateway.kill()
            await asyncio.to_thread(gateway.start)
            crowd.stdin.write(b"go\n")
            began = time.monotonic()
            probes = Probes(gateway)
            probing = asyncio.create_task(probes.run())
            told: dict[str, Any] = json.loads(await crowd.stdout.readline())
        probing.cancel()
        done = await asyncio.gather(probing, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError), done
        told |= {"back_s": max(told.pop("back_at") - began, 0.0), "p99_s": probes.quantile(0.99)}
        told["peak_mib"] = round(peak_bytes(gateway.pid) / MIB)
        told |= {"probes": len(probes.took), "p50_s": probes.quantile(0.5), "worst_s": max(probes.took)}
        print(f"\n{count} workers: {told}")
        return told
    finally:
        if crowd.returncode is None:
            crowd.kill()
        await crowd.wait()
        gateway.kill()


@pytest.mark.system
async def test_f27_five_hundred_workers_come_back_and_http_is_answered(tmp_path: Path) -> None:
    told = await come_back(tmp_path, count=WORKERS, within_s=40)
    assert told["back_s"] <= 25
    assert told["tries"] <= MOST_TRIES * WORKERS
    assert told["p99_s"] <= 3
    assert told["probes"] >= 10


@pytest.mark.soak
async def test_f27_five_thousand_workers_come_back(tmp_path: Path) -> None:
    told = await come_back(tmp_path, count=5000, within_s=120)
    assert told["back_s"] <= 60
    assert told["tries"] <= MOST_TRIES * 5000
    assert told["p99_s"] <= 3
    assert told["peak_mib"] <= 450
