"""F34, INV-P3: registrations come and go under load, good ones and bad ones: no call fails, no stream is cut.

A request sees the old table or the new one; a bad update changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from tests.system.cluster import free_port
from tests.system.proxy.calls import Caller, calling, until
from tests.system.proxy.fronts import Front, ask, taskgate_front
from tests.system.proxy.servers import ServerProcess, running
from tests.system.proxy.streams import stream_server

pytestmark = pytest.mark.system

SWAPS = 20
BROKEN = {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": []}
EVENTS = 100


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    folder = tmp_path_factory.mktemp("servers")
    found = [stream_server(folder, port=free_port()) for _ in range(2)]
    with running(*found):
        yield found


@pytest.fixture(scope="module")
def front(servers: list[ServerProcess], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with taskgate_front(tmp_path_factory.mktemp("updates"), {"up": servers[0].port}) as found:
        yield found


def registration(port: int, **more: Any) -> dict[str, Any]:
    route = {"name": "all", "method": "*", "gateway_path": "/up/{rest:path}", "upstream_path": "/{rest:path}"}
    return {"name": "up", "base_url": f"http://127.0.0.1:{port}", "routes": [route], "lease_s": 3600, **more}


def bad_updates(port: int) -> list[Any]:
    """Each must be refused, whole."""
    route = registration(port)["routes"][0]
    return [
        {}, [], "text", registration(port, base_url="file:///etc/passwd"), registration(port, base_url="http://169.254.169.254/"),
        registration(port, routes=[{**route, "gateway_path": "no/slash"}]), registration(port, unknown=1),
        registration(port, routes=[{**route, "gateway_path": "/up/{a}{b}"}]), registration(port, lease_s=-1),
        registration(port, routes=[{**route, "gateway_path": "/v1/tasks/{rest:path}"}]),
        registration(port, name="../x"),
        registration(port, routes=[route, route]), registration(port, routes=[{**route, "method": "G E T"}]),
        registration(port, routes=[{**route, "policy": {"rate_limits": [{"rate": -1, "burst": 0}]}}]),
        registration(port, routes=[{**route, "policy": {"timeouts": {"connect_s": "soon"}}}]),
        {**registration(port), "name": "thief"},
        {**{key: value for key, value in registration(port).items() if key != "routes"}, "openapi": BROKEN},
    ]  # fmt: skip


def register_as(front: Front, body: Any) -> int:
    return ask(front.url, "POST", "/gateway/register", key=front.credential, body=body)[0]


async def test_f34_bad_updates_change_nothing(front: Front, servers: list[ServerProcess]) -> None:
    caller = Caller(front, "/up/plain", rate=100)
    async with calling(caller):
        statuses = [await asyncio.to_thread(register_as, front, body) for body in bad_updates(servers[0].port)]
        await until(lambda: len(caller.calls) >= 100)
    assert [number for number, status in enumerate(statuses) if not 400 <= status < 500] == []
    assert caller.statuses == {200: len(caller.calls)}


async def test_f34_swaps_under_load_fail_no_call_and_cut_no_stream(front: Front, servers: list[ServerProcess]) -> None:
    caller = Caller(front, "/up/plain", rate=200)
    async with calling(caller) as session:
        stream = asyncio.create_task(events(session, front))
        socket = await session.ws_connect(front.url + "/up/echo", headers=front.headers)
        for number in range(SWAPS):
            port = servers[(number + 1) % 2].port
            assert await asyncio.to_thread(register_as, front, registration(port)) in (200, 201)
            await socket.send_str(f"word {number}")
            assert (await socket.receive(5)).data == f"word {number}"
        await socket.close()
        assert await stream == EVENTS
        await until(lambda: len(caller.calls) >= 200)
    assert caller.statuses == {200: len(caller.calls)}


async def events(session: aiohttp.ClientSession, front: Front) -> int:
    async with session.get(f"{front.url}/up/events?n={EVENTS}", headers=front.headers) as answer:
        return (await answer.read()).count(b"data: ")


async def test_f34_withdrawing_lets_streams_end(front: Front, servers: list[ServerProcess]) -> None:
    async with aiohttp.ClientSession() as session:
        stream = asyncio.create_task(events(session, front))
        socket = await session.ws_connect(front.url + "/up/echo", headers=front.headers)
        await socket.send_str("before")
        assert (await socket.receive(5)).data == "before"
        status, _ = await asyncio.to_thread(ask, front.url, "DELETE", "/gateway/services/up", key=front.credential)
        assert status in (200, 204)
        async with session.get(front.url + "/up/plain", headers=front.headers) as answer:
            assert answer.status == 404
        await socket.send_str("after")
        assert (await socket.receive(5)).data == "after"
        await socket.close()
        assert await stream == EVENTS
    assert await asyncio.to_thread(register_as, front, registration(servers[0].port)) in (200, 201)
