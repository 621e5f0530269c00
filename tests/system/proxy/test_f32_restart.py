"""F32, with one gateway: SIGTERM lets everything in flight end, and what it takes on again is what it had before.

Routes are kept over a restart. Calls that were refused a connection may be sent again; none that was begun fails.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.system.cluster import GatewayProcess, free_port
from tests.system.proxy.calls import until
from tests.system.proxy.fronts import ask, register, until_routed
from tests.system.proxy.servers import ServerProcess, running
from tests.system.proxy.streams import stream_server

pytestmark = pytest.mark.system

IN_FLIGHT = 20
EVENTS = 100
BYTES = 30_000_000


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[GatewayProcess, ServerProcess]]:
    gateway = GatewayProcess(tmp_path / "data")
    gateway.start()
    server = stream_server(tmp_path, port=free_port())
    try:
        with running(server):
            register(gateway, "up", server.port)
            yield gateway, server
    finally:
        gateway.kill()


class Begun:
    """A call whose answer has begun, or that waits for its upstream."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self.task = asyncio.create_task(self._call(session, url, headers))
        self.has_head = asyncio.Event()

    async def _call(self, session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> tuple[int, bytes]:
        async with session.get(url, headers=headers) as answer:
            self.has_head.set()
            return answer.status, await answer.read()


async def test_f32_nothing_in_flight_fails(proxied: tuple[GatewayProcess, ServerProcess]) -> None:
    gateway, _ = proxied
    headers = {"X-API-Key": gateway.admin_key}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        streams = [Begun(session, f"{gateway.url}/up/events?n={EVENTS}", headers) for _ in range(5)]
        bodies = [Begun(session, f"{gateway.url}/up/bytes?n={BYTES}", headers) for _ in range(5)]
        await asyncio.gather(*(one.has_head.wait() for one in (*streams, *bodies)))
        waiting = [Begun(session, f"{gateway.url}/up/slow?s=1.5", headers) for _ in range(IN_FLIGHT)]
        await _until_sent(session, gateway, headers)
        stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
        answers = [await one.task for one in (*streams, *bodies, *waiting)]
        assert await stopping == 0
    assert {status for status, _ in answers} == {200}
    assert all(body.count(b"data: ") == EVENTS for _, body in answers[:5])
    assert {len(body) for _, body in answers[5:10]} == {BYTES}
    assert {body for _, body in answers[10:]} == {b"late"}


async def _until_sent(session: aiohttp.ClientSession, gateway: GatewayProcess, headers: dict[str, str]) -> None:
    """A call that was sent after the others has come back: theirs are with the upstream."""
    for _ in range(3):
        async with session.get(f"{gateway.url}/up/plain", headers=headers) as answer:
            assert answer.status == 200


def _has_grown(heard: list[int], count: int) -> bool:
    return len(heard) >= count


async def test_f32_callers_who_try_again_see_no_failure(proxied: tuple[GatewayProcess, ServerProcess]) -> None:
    """A restart under load: whoever is refused a connection, or told 503, tries again; nobody hears anything else."""
    gateway, _ = proxied
    headers, is_over, heard = {"X-API-Key": gateway.admin_key}, asyncio.Event(), list[int]()

    async def call_on(session: aiohttp.ClientSession) -> None:
        while not is_over.is_set():
            try:
                async with session.get(f"{gateway.url}/up/plain", headers=headers) as answer:
                    if answer.status != 503:
                        heard.append(answer.status)
                    await answer.read()
            except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                await asyncio.sleep(0.02)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(call_on(session))
        for _ in range(2):
            await asyncio.to_thread(gateway.stop)
            await asyncio.to_thread(gateway.start)
            await asyncio.to_thread(until_routed, gateway, "up")
            await until(functools.partial(_has_grown, heard, len(heard) + 50))
        is_over.set()
    assert set(heard) == {200}


def test_f32_routes_are_there_at_the_first_answer(proxied: tuple[GatewayProcess, ServerProcess]) -> None:
    gateway, _ = proxied
    gateway.kill()
    gateway.start()
    assert ask(gateway.url, "GET", "/up/plain", key=gateway.admin_key)[0] == 200


def test_f32_sigint_drains_too(proxied: tuple[GatewayProcess, ServerProcess]) -> None:
    gateway, _ = proxied
    os.kill(gateway.pid, signal.SIGINT)
    gateway.until_dead()
    assert not gateway.is_alive()
