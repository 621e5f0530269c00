"""F20: everything is said twice, by callers and by workers; every run still ends once.

INV-T3 the same submit gives the same run; INV-F1, INV-T4 a repeated result changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest

from tests.system.cluster import Caller, GatewayProcess, SimpleWorker

RUNS = 100


@pytest.mark.system
async def test_f20_said_twice_done_once(gateway: GatewayProcess) -> None:
    workers = [SimpleWorker(gateway, f"echo-{number}", says_times=2) for number in range(2)]
    working = [asyncio.create_task(worker.run()) for worker in workers]
    async with aiohttp.ClientSession() as session:
        caller = Caller(gateway, session)
        try:
            run_ids = await asyncio.gather(
                *(caller.submit("echo", f"key-{number}", {"n": number}, times=2) for number in range(RUNS))
            )
            ended = [await caller.until_ended(run_id) for run_id in run_ids]
        finally:
            for task in working:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    assert all(len(ids) == 1 for ids in caller.accepted.values())
    assert [run["output"] for run in ended] == [{"n": number} for number in range(RUNS)]
    assert all(len(run["attempts"]) == 1 for run in ended)
    done = [worker.done.get(run_id, 0) for run_id in run_ids for worker in workers]
    assert sum(done) == RUNS, "a run was given out twice"
