"""F1: kill -9 of the gateway at every failpoint of submit → store → worker → result.

INV-T1 no accepted run is lost; INV-T2 no answer before the commit; INV-T3 one key, one run, also over restarts;
INV-T4 one end each. The oracle is what the caller was told.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from taskgate.testing.failpoints import POINTS
from tests.system.cluster import Caller, GatewayProcess, SimpleWorker

MACHINE_S = 15.0  # what a machine may add that starts many processes at once; `make soak` holds the bar itself
RUNS = 40


@pytest.mark.system
@pytest.mark.parametrize("point", POINTS)
async def test_f1_a_kill_at_this_point_loses_and_doubles_nothing(point: str, tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "data")
    gateway.start()
    worker = SimpleWorker(gateway, "echo-1")
    working = asyncio.create_task(worker.run())
    async with aiohttp.ClientSession() as session:
        caller = Caller(gateway, session)
        try:
            await caller.submit("echo", "first", "warm")
            gateway.kill()
            gateway.start(f"{point}:12")
            submits = asyncio.gather(
                *(caller.submit("echo", f"key-{number}", {"n": number}, times=2) for number in range(RUNS))
            )
            await asyncio.to_thread(gateway.until_dead)
            back_s = gateway.start()
            run_ids = await asyncio.wait_for(submits, 60)
            ended = [await caller.until_ended(run_id) for run_id in run_ids]
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
            gateway.kill()
    assert back_s <= 5.0 + MACHINE_S
    assert all(len(ids) == 1 for ids in caller.accepted.values()), "a key gave two runs"
    assert len({run["id"] for run in ended}) == RUNS
    assert [run["status"] for run in ended] == ["succeeded"] * RUNS
    assert [run["output"] for run in ended] == [{"n": number} for number in range(RUNS)]
    assert set(worker.done) >= set(run_ids), "a run ended that nobody did"
