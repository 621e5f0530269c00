"""F1 at length: thirty kills at every failpoint, in one long life of one store (`make soak`).

The seed is printed by pytest as the test's parameter: `make soak ARGS="-k 'kills and 7'"` plays it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

import aiohttp
import pytest

from taskgate.testing.failpoints import POINTS
from tests.system.cluster import Caller, GatewayProcess, SimpleWorker

KILLS = 30
CALLERS = 5
PAUSE_S = 0.02  # fewer than the simple workers can do, so that no backlog hides what was lost


@pytest.mark.soak
@pytest.mark.parametrize("seed", [7])
async def test_f1_kills_at_every_failpoint_lose_and_double_nothing(seed: int, tmp_path: Path) -> None:
    plan = [point for point in POINTS for _ in range(KILLS)]
    chance = random.Random(seed)
    chance.shuffle(plan)
    gateway = GatewayProcess(tmp_path / "data")
    gateway.start()
    workers = [SimpleWorker(gateway, f"echo-{number}", says_times=2) for number in range(2)]
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    async with aiohttp.ClientSession() as session:
        caller = Caller(gateway, session)
        await caller.submit("echo", "first", "warm")
        tasks += [asyncio.create_task(_submit_for_ever(caller, number)) for number in range(CALLERS)]
        try:
            for point in plan:
                gateway.kill()
                back_s = gateway.start(f"{point}:{chance.randint(1, 30)}")
                assert back_s <= 5.0
                await asyncio.to_thread(gateway.until_dead)
            gateway.start()
            for task in tasks[2:]:
                task.cancel()
            ends = [
                await caller.until_ended(run_id, within_s=120.0) for ids in caller.accepted.values() for run_id in ids
            ]
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            gateway.kill()
    assert all(len(ids) == 1 for ids in caller.accepted.values()), "a key gave two runs (INV-T3)"
    assert {run["status"] for run in ends} == {"succeeded"}, "an accepted run was lost (INV-T1)"
    assert len(ends) > len(plan)


async def _submit_for_ever(caller: Caller, number: int) -> None:
    count = 0
    while True:
        count += 1
        await caller.submit("echo", f"caller-{number}-{count}", {"n": count}, times=2)
        await asyncio.sleep(PAUSE_S)
