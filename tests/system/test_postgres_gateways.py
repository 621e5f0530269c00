"""A gateway whose truth is on PostgreSQL: alone it refuses a second one, with Redis they share the work."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from tests.system.cluster import Caller, GatewayProcess, SimpleWorker

RUNS = 20


@pytest.mark.system
async def test_a_gateway_on_postgres_is_alone_without_redis(postgres_url: str, tmp_path: Path) -> None:
    """The name of older systems for its URL; killed in its middle, back with everything that it accepted (INV-T1)."""
    settings = {"DATABASE_URL_ASYNCPG_DRIVER": postgres_url.replace("postgresql:", "postgresql+asyncpg:")}
    gateway = GatewayProcess(tmp_path / "one", settings=settings)
    other = GatewayProcess(tmp_path / "two", settings=settings)
    gateway.start()
    try:
        with pytest.raises(AssertionError, match="another gateway stands on this database"):
            await asyncio.to_thread(other.start)
        await done_twice(gateway)
    finally:
        gateway.kill()
        other.kill()


async def done_twice(gateway: GatewayProcess) -> None:
    """Runs are submitted and done; asked for again under their keys after a kill they are the same ones."""
    worker = SimpleWorker(gateway, "echo-1")
    working = asyncio.create_task(worker.run())
    async with aiohttp.ClientSession() as session:
        caller = Caller(gateway, session)
        try:
            run_ids = [await caller.submit("echo", f"key-{number}", {"n": number}) for number in range(RUNS)]
            await asyncio.gather(*(caller.until_ended(run_id) for run_id in run_ids))
            gateway.kill()
            await asyncio.to_thread(gateway.start)
            run_ids += [await caller.submit("echo", f"key-{number}", {"n": number}) for number in range(RUNS)]
            ended = [await caller.until_ended(run_id) for run_id in set(run_ids)]
        finally:
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
    assert len(ended) == RUNS, "a key gave two runs"
    assert {run["status"] for run in ended} == {"succeeded"}
    assert sorted(run["output"]["n"] for run in ended) == list(range(RUNS))


@pytest.mark.system
async def test_with_redis_a_second_gateway_stands_beside_it(postgres_url: str, redis_url: str, tmp_path: Path) -> None:
    """Accepted at the one, done by a worker of the other."""
    settings = {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url}
    one, two = (GatewayProcess(tmp_path / name, settings=settings) for name in ("one", "two"))
    one.start()
    try:
        (two.folder).mkdir()
        for name in ("admin.key", "worker.key", "identity.secret"):
            (two.folder / name).write_text((one.folder / name).read_text())
        await asyncio.to_thread(two.start)
        worker = SimpleWorker(two, "echo-2")
        working = asyncio.create_task(worker.run())
        async with aiohttp.ClientSession() as session:
            caller = Caller(one, session)
            run_ids = [await caller.submit("echo", f"key-{number}", {"n": number}) for number in range(RUNS)]
            ended = [await caller.until_ended(run_id) for run_id in run_ids]
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        assert [run["output"] for run in ended] == [{"n": number} for number in range(RUNS)]
    finally:
        one.kill()
        two.kill()
