"""A gateway over PostgreSQL: what its users do, and what happens when the gateway or the database is killed or frozen.

F1 kill -9 of the gateway; F11 kill -9 of the database under load; F12 the database stands still. INV-T1 no accepted
run is lost, INV-T3 one key, one run, INV-T4 one end each; the oracle is what the caller was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.servers.postgres import Postgres
from tests.system.cluster import Caller, GatewayProcess, SimpleWorker

pytestmark = pytest.mark.system

RUNS = 24
LOAD = 120
ANSWER_S = 2.0
STALL_S = 2.0  # what a busy test machine may add
BACK_S = 10.0


def gateway_on(url: str, folder: Path) -> GatewayProcess:
    """Leases are short: a simple worker's result that the database was away for is done once more."""
    settings = {"DATABASE_URL": url, "TASKGATE_RUNS__LEASE_S": "4", "TASKGATE_RUNS__HEARTBEAT_S": "1"}
    return GatewayProcess(folder / "data", settings=settings)


@pytest.fixture
def gateway(postgres_url: str, tmp_path: Path) -> Iterator[GatewayProcess]:
    made = gateway_on(postgres_url, tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A server for one test, which syncs to the disk as in earnest."""
    server = Postgres(tmp_path / "postgres")
    server.start()
    yield server
    server.signal(signal.SIGCONT)
    server.stop()


@asynccontextmanager
async def working(gateway: GatewayProcess) -> AsyncIterator[SimpleWorker]:
    worker = SimpleWorker(gateway, "echo-1")
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def calling(gateway: GatewayProcess) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"X-API-Key": gateway.admin_key}
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(gateway.url, headers=headers, timeout=timeout) as session:
        yield session


async def said(session: aiohttp.ClientSession, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with session.request(method, path, **more) as answer:
        return answer.status, await answer.json()


async def test_the_first_calls_and_what_a_crash_leaves(gateway: GatewayProcess) -> None:
    """Submit, journal, cancel, retry, keys; kill -9; all of it is there again, numbers of the journal too."""
    async with calling(gateway) as session:
        caller = Caller(gateway, session)
        async with working(gateway):
            done = await caller.submit("echo", "one", {"n": 1})
            ended = await caller.until_ended(done)
            assert (ended["status"], ended["output"]) == ("succeeded", {"n": 1})
        journal = (await said(session, "GET", f"/v1/runs/{done}/journal"))[1]
        assert [entry["seq"] for entry in journal["entries"]] == list(range(1, len(journal["entries"]) + 1))
        assert (journal["entries"][-1]["kind"], journal["ended"]) == ("result", True)
        waiting = await caller.submit("echo", "two", {"n": 2})
        status, cancelled = await said(session, "POST", f"/v1/runs/{waiting}/cancel")
        assert (status, cancelled["status"]) == (200, "cancelled")
        status, again = await said(session, "POST", f"/v1/runs/{waiting}/retry")
        assert status in (200, 201, 202), again
        status, key = await said(session, "POST", "/v1/keys", json={"name": "reader", "scopes": ["read"]})
        assert status == 201, key
        gateway.kill()
        gateway.start()
        reader = {"X-API-Key": key["key"]}
        assert (await said(session, "GET", f"/v1/runs/{done}", headers=reader))[1] == ended
        assert (await said(session, "GET", f"/v1/runs/{done}/journal"))[1] == journal
        assert (await caller.run(waiting))["status"] == "cancelled"
        assert await caller.submit("echo", "one", {"n": 1}) == done
        workers = (await said(session, "GET", "/gateway/workers"))[1]["workers"]
        assert [worker["id"] for worker in workers] == ["echo-1"]
        async with working(gateway):
            assert (await caller.until_ended(again["id"]))["status"] == "succeeded"


@pytest.mark.parametrize("point", ["before_commit", "after_commit", "apply|ack"])
async def test_f1_a_kill_of_the_gateway_loses_and_doubles_nothing(point: str, gateway: GatewayProcess) -> None:
    async with calling(gateway) as session, working(gateway) as worker:
        caller = Caller(gateway, session)
        await caller.submit("echo", "first", "warm")
        gateway.kill()
        gateway.start(f"{point}:12")
        submits = asyncio.gather(*(caller.submit("echo", f"key-{n}", {"n": n}, times=2) for n in range(RUNS)))
        await asyncio.to_thread(gateway.until_dead)
        gateway.start()
        await check(caller, worker, await asyncio.wait_for(submits, 60))


async def test_f11_a_kill_of_the_database_under_load_loses_and_doubles_nothing(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    """And the gateway serves again by itself, the very same process."""
    gateway = gateway_on(own_postgres.new_database(), tmp_path)
    gateway.start()
    pid = gateway.pid
    try:
        async with calling(gateway) as session, working(gateway) as worker:
            caller = Caller(gateway, session)
            await caller.submit("echo", "first", "warm")
            has_begun = asyncio.Event()
            ids: dict[int, str] = {}

            async def one_after_the_other(first: int) -> None:
                for number in range(first, LOAD, 8):
                    ids[number] = await caller.submit("echo", f"key-{number}", {"n": number}, times=2)
                    if len(ids) > LOAD // 4:
                        has_begun.set()

            submits = asyncio.gather(*map(one_after_the_other, range(8)))
            await asyncio.wait_for(has_begun.wait(), 30)
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.to_thread(own_postgres.start)
            began = time.monotonic()
            await caller.submit("echo", "behind the crash", "again")
            assert time.monotonic() - began <= BACK_S
            assert len(ids) < LOAD, "the load was over before the crash"
            await asyncio.wait_for(submits, 60)
            await check(caller, worker, [ids[number] for number in range(LOAD)])
        assert (gateway.is_alive(), gateway.pid) == (True, pid)
    finally:
        gateway.kill()


async def test_f12_a_database_that_stands_still_is_told_in_time_and_heals(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    gateway = gateway_on(own_postgres.new_database(), tmp_path)
    gateway.start()
    try:
        async with calling(gateway) as session:
            caller = Caller(gateway, session)
            async with working(gateway):
                run_id = await caller.submit("echo", "first", "warm")
                await caller.until_ended(run_id)
                own_postgres.signal(signal.SIGSTOP)
                asked = [
                    ("POST", "/v1/tasks/echo/runs", {"json": {"input": 1}, "headers": {"Idempotency-Key": '"frozen"'}}),
                    ("GET", f"/v1/runs/{run_id}", {}),
                    ("GET", "/v1/runs", {}),
                    ("GET", "/gateway/calls", {}),
                    ("GET", f"/v1/runs/{run_id}/journal", {}),
                    ("GET", "/gateway/history", {}),
                ]
                for _ in range(2):
                    for told in await asyncio.gather(*(refusal(session, *one) for one in asked)):
                        path, status, retry_after, after_s = told
                        assert (path, status, retry_after) == (path, 503, "1"), told
                        assert after_s <= ANSWER_S + STALL_S, told
                own_postgres.signal(signal.SIGCONT)
                began = time.monotonic()
                frozen = await caller.submit("echo", "frozen", 1)
                assert time.monotonic() - began <= BACK_S
                assert (await caller.until_ended(frozen))["output"] == 1
                status, journal = await said(session, "GET", f"/v1/runs/{run_id}/journal")
                assert (status, journal["ended"]) == (200, True)
                for method, path, _ in asked[1:]:
                    assert (await said(session, method, path))[0] == 200, path
    finally:
        gateway.kill()


async def refusal(
    session: aiohttp.ClientSession, method: str, path: str, more: dict[str, Any]
) -> tuple[str, int, str | None, float]:
    began = time.monotonic()
    async with session.request(method, path, **more) as answer:
        await answer.read()
        return path, answer.status, answer.headers.get("Retry-After"), time.monotonic() - began


async def check(caller: Caller, worker: SimpleWorker, run_ids: list[str]) -> None:
    """Every run that was accepted has ended once, with its own output, and somebody did it."""
    ended = [await caller.until_ended(run_id) for run_id in run_ids]
    assert all(len(ids) == 1 for ids in caller.accepted.values()), "a key gave two runs"
    assert len({run["id"] for run in ended}) == len(run_ids)
    assert [run["status"] for run in ended] == ["succeeded"] * len(run_ids)
    assert [run["output"] for run in ended] == [{"n": number} for number in range(len(run_ids))]
    assert set(worker.done) >= set(run_ids), "a run ended that nobody did"
