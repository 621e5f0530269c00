"""A gateway that is asked to end while runs have just begun: their workers go on alone, and each run is done once.

Until its lease is confirmed a run stands on its offer, and a worker that hears nothing more stops it after four
seconds. So the gateway stays that long away here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.cluster import GatewayProcess, WorkerProcess

pytestmark = pytest.mark.system

TASKS = "tests.system.talking"
LINES, PAUSE_S = 70, 0.1
OFFER_S = 5.0
MACHINE_S = 5.0
PATIENCE_S = 40.0


async def read(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        return await answer.json()


async def until(claim: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await claim():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def lines_of(session: aiohttp.ClientSession, run_id: str) -> list[str]:
    journal = await read(session, f"/v1/runs/{run_id}/journal?limit=1000")
    return [entry["text"] for entry in journal["entries"] if entry["kind"] == "log"]


async def begun(session: aiohttp.ClientSession) -> list[str]:
    """Two runs, one for either worker, that have said their first lines."""

    async def are_online() -> bool:
        workers = (await read(session, "/gateway/workers"))["workers"]
        return [worker["status"] for worker in workers] == ["online", "online"]

    await until(are_online)
    ids = []
    for _ in range(2):
        told = {"input": {"count": LINES, "pause_s": PAUSE_S}}
        async with session.post("/v1/tasks/talk.lines/runs", json=told) as answer:
            ids.append((await answer.json())["id"])

    async def have_spoken() -> bool:
        return all([await lines_of(session, run_id) for run_id in ids])

    await until(have_spoken)
    return ids


async def ended(session: aiohttp.ClientSession, run_id: str) -> dict[str, Any]:
    async def is_over() -> bool:
        return (await read(session, f"/v1/runs/{run_id}"))["status"] not in ("queued", "running")

    await until(is_over)
    found: dict[str, Any] = await read(session, f"/v1/runs/{run_id}")
    return found


async def test_runs_that_have_just_begun_outlive_the_restart(tmp_path: Path) -> None:
    """One over WebSocket, one over gRPC."""
    gateway = GatewayProcess(tmp_path / "gateway", grpc=True)
    gateway.start()
    over_grpc: dict[str, Any] = {"transport": "grpc", "grpc": f"127.0.0.1:{gateway.grpc_port}"}
    workers = [
        WorkerProcess(gateway, "over-ws", tasks=TASKS, slots=1),
        WorkerProcess(gateway, "over-grpc", tasks=TASKS, slots=1, **over_grpc),
    ]
    try:
        async with aiohttp.ClientSession(gateway.url, headers={"X-API-Key": gateway.admin_key}) as session:
            ids = await begun(session)
            asked_at = time.monotonic()
            assert await asyncio.to_thread(gateway.stop) == 0
            assert time.monotonic() - asked_at < 2.0 + MACHINE_S
            await asyncio.sleep(OFFER_S)
            await asyncio.to_thread(gateway.start)
            runs = [await ended(session, run_id) for run_id in ids]
            said = [await lines_of(session, run_id) for run_id in ids]
    finally:
        for worker in workers:
            worker.kill()
        gateway.kill()
    assert [(run["status"], len(run["attempts"]), run["output"]) for run in runs] == [("succeeded", 1, LINES)] * 2
    assert said == [[f"line {number}" for number in range(LINES)]] * 2
    assert {run["attempts"][0]["holder"] for run in runs} == {"over-ws", "over-grpc"}
