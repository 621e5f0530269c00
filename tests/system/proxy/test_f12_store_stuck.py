"""F12, INV-A7: the disk answers no more. Routes go on for known keys, everything else is told within 2 s to wait.

The threads of the store hang, all of them, for several times as long as a key is believed; then they go on, and so
does everything, in the same process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from tests.system.cluster import GatewayProcess, free_port
from tests.system.proxy.fronts import ask, register
from tests.system.proxy.servers import running
from tests.system.proxy.streams import stream_server

pytestmark = pytest.mark.system

BELIEVE_S = 3.0
STUCK_S = 4 * BELIEVE_S
ANSWER_S = 2.0
QUICK_S = 0.5
TASK = "demo.kept"


class Told(NamedTuple):
    """An answer, and how long it took."""

    status: int
    body: dict[str, Any]
    retry_after: str | None
    after_s: float


class Disk:
    """While its file is there, the store hangs."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def stick(self) -> None:
        self.file.touch()

    def free(self) -> None:
        self.file.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "stuck")


@pytest.fixture
def gateway(tmp_path: Path, disk: Disk) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path / "data", settings={"TASKGATE_AUTH__BELIEVE_S": str(BELIEVE_S)})
    made.start(f"stall:{disk.file}")
    try:
        server = stream_server(tmp_path, port=free_port())
        with running(server):
            register(made, "up", server.port)
            status, told = ask(made.url, "PUT", f"/v1/tasks/{TASK}", key=made.admin_key, body={"version": "1"})
            assert status in (200, 201), told
            yield made
    finally:
        disk.free()
        made.kill()


@pytest.fixture
async def session(gateway: GatewayProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        gateway.url, headers={"X-API-Key": gateway.admin_key}, timeout=aiohttp.ClientTimeout(total=20)
    ) as session:
        yield session


async def call(session: aiohttp.ClientSession, method: str, path: str, **more: Any) -> Told:
    began = time.monotonic()
    async with session.request(method, path, **more) as answer:
        body = await answer.json() if "json" in answer.content_type else {}
        return Told(answer.status, body, answer.headers.get("Retry-After"), time.monotonic() - began)


def check_refused(told: Told) -> None:
    """503 in time, with a moment at which to ask again."""
    assert (told.status, told.after_s < ANSWER_S) == (503, True), told
    assert told.retry_after in ("1", "2"), told


async def submitted(session: aiohttp.ClientSession, key: str) -> Told:
    return await call(
        session, "POST", f"/v1/tasks/{TASK}/runs", json={"input": {}}, headers={"Idempotency-Key": f'"{key}"'}
    )


async def other_than(status: int, ask_again: Callable[[], Awaitable[Told]]) -> Told:
    """The first answer with another status."""
    async with asyncio.timeout(20):
        while True:
            told = await ask_again()
            if told.status != status:
                return told
            await asyncio.sleep(0.05)


async def test_f12_a_store_that_hangs_stops_no_route_and_keeps_nobody_waiting(
    gateway: GatewayProcess, disk: Disk, session: aiohttp.ClientSession
) -> None:
    before = await submitted(session, "before")
    assert before.status == 202
    disk.stick()
    began = time.monotonic()
    calls, slow_count = 0, 0
    strangers: list[asyncio.Task[Told]] = []
    others: list[asyncio.Task[Told]] = []
    while time.monotonic() - began < STUCK_S:
        told = await call(session, "GET", "/up/bytes?n=10")
        assert told.status == 200
        calls, slow_count = calls + 1, slow_count + (told.after_s >= QUICK_S)
        if calls % 40 == 1:
            unknown = {"X-API-Key": gateway.admin_key[:3] + "a" * 12 + gateway.admin_key[15:]}
            strangers.append(asyncio.create_task(call(session, "GET", "/up/bytes?n=10", headers=unknown)))
            others.append(asyncio.create_task(submitted(session, "meanwhile")))
            others.append(asyncio.create_task(call(session, "GET", f"/v1/runs/{before.body['id']}")))
            body = {"name": "late", "base_url": "http://127.0.0.1:9", "routes": [
                {"name": "late", "method": "GET", "gateway_path": "/late", "upstream_path": "/"}]}  # fmt: skip
            others.append(asyncio.create_task(call(session, "POST", "/gateway/register", json=body)))
            assert (await call(session, "PUT", "/gateway/services/up/lease")).status == 200
        await asyncio.sleep(0.02)
    assert slow_count <= 2, "a known key waits for nobody; a machine that stalls makes one call slow, a store each"
    for refused in [*await asyncio.gather(*strangers), *await asyncio.gather(*others)]:
        check_refused(refused)
    disk.free()
    after = await other_than(503, lambda: submitted(session, "meanwhile"))
    await other_than(404, lambda: call(session, "GET", "/late"))
    assert after.status == 202
    assert (await submitted(session, "meanwhile")).body["id"] == after.body["id"]
    assert (await call(session, "GET", f"/v1/runs/{before.body['id']}")).status == 200
    unknown = {"X-API-Key": gateway.admin_key[:3] + "a" * 12 + gateway.admin_key[15:]}
    assert (await call(session, "GET", "/up/bytes?n=10", headers=unknown)).status == 401
    assert gateway.is_alive()
