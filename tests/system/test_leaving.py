"""A gateway that is asked to end while a run has just begun: its worker goes on alone, and the run is done once.

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


@pytest.mark.parametrize("transport", ["ws", "grpc"])
async def test_a_run_that_has_just_begun_outlives_the_restart(tmp_path: Path, transport: str) -> None:
    gateway = GatewayProcess(tmp_path / "gateway", grpc=True)
    gateway.start()
    more: dict[str, Any] = {} if transport == "ws" else {"transport": "grpc", "grpc": f"127.0.0.1:{gateway.grpc_port}"}
    worker = WorkerProcess(gateway, "w1", tasks="tests.system.talking", slots=1, **more)
    try:
        async with aiohttp.ClientSession(gateway.url, headers={"X-API-Key": gateway.admin_key}) as session:
            ended = await restarted_below_a_run(gateway, session)
            journal = await read(session, f"/v1/runs/{ended['id']}/journal?limit=1000")
    finally:
        worker.kill()
        gateway.kill()
    assert (ended["status"], len(ended["attempts"]), ended["output"]) == ("succeeded", 1, LINES)
    said = [entry["text"] for entry in journal["entries"] if entry["kind"] == "log"]
    assert said == [f"line {number}" for number in range(LINES)]


async def restarted_below_a_run(gateway: GatewayProcess, session: aiohttp.ClientSession) -> dict[str, Any]:
    async def is_known() -> bool:
        return "input_schema" in await read(session, "/v1/tasks/talk.lines")

    await until(is_known)
    told = {"input": {"count": LINES, "pause_s": PAUSE_S}}
    async with session.post("/v1/tasks/talk.lines/runs", json=told) as answer:
        run_id = (await answer.json())["id"]

    async def has_spoken() -> bool:
        journal = await read(session, f"/v1/runs/{run_id}/journal")
        return any(entry["kind"] == "log" for entry in journal["entries"])

    await until(has_spoken)
    asked_at = time.monotonic()
    assert await asyncio.to_thread(gateway.stop) == 0
    assert time.monotonic() - asked_at < 2.0 + MACHINE_S
    await asyncio.sleep(OFFER_S)
    await asyncio.to_thread(gateway.start)

    async def is_over() -> bool:
        return (await read(session, f"/v1/runs/{run_id}"))["status"] not in ("queued", "running")

    await until(is_over)
    ended: dict[str, Any] = await read(session, f"/v1/runs/{run_id}")
    return ended
