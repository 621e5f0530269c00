"""`serve --workers 3`: one gateway and two fronts on one port. A caller cannot tell them apart, and must not have to.

Every look is made over many fresh connections, so that the kernel deals them to all three: that 40 of them miss one
process happens once in ten million.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from taskgate.service import verify_identity
from tests.system.cluster import Caller, GatewayProcess, SimpleWorker
from tests.system.front_processes import COUNT, WITHIN_S, all_listen, fronts_of, is_alive, listens, until, until_true

pytestmark = pytest.mark.system
LOOKS = 40


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    yield from started(tmp_path_factory.mktemp("lasting"), TASKGATE_LOG__ACCESS="true")


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[GatewayProcess]:
    """One that a test may kill."""
    yield from started(tmp_path)


def started(folder: Path, **settings: str) -> Iterator[GatewayProcess]:
    made = GatewayProcess(folder / "data", settings={"TASKGATE_HTTP__WORKERS": str(COUNT), **settings})
    made.start()
    until(lambda: all_listen(made), within_s=30.0)
    yield made
    made.kill()


class Held:
    """Calls of `/slow`: how many have come, and when they may end."""

    def __init__(self) -> None:
        self.count = 0
        self.may_end = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.count += 1
        await self.may_end.wait()
        return web.Response(text="done")


@pytest.fixture
async def held() -> Held:
    return Held()


@pytest.fixture
async def upstream(held: Held) -> AsyncIterator[int]:
    async def echo(request: web.Request) -> web.Response:
        seen = {name.lower(): value for name, value in request.headers.items()}
        return web.json_response({"path": request.path, "headers": seen, "body": (await request.read()).decode()})

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket_ = web.WebSocketResponse()
        await socket_.prepare(request)
        async for message in socket_:
            await socket_.send_str(message.data.upper())
        return socket_

    app = web.Application()
    app.router.add_get("/talk", talk)
    app.router.add_get("/slow", held.answer)
    app.router.add_route("*", "/{rest:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    yield server.sockets[0].getsockname()[1]
    await runner.cleanup()


@pytest.fixture
async def session(gateway: GatewayProcess) -> AsyncIterator[aiohttp.ClientSession]:
    """Every request over a connection of its own."""
    async with calling(gateway) as made:
        yield made


def calling(gateway: GatewayProcess) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(force_close=True)
    return aiohttp.ClientSession(gateway.url, connector=connector, headers={"X-API-Key": gateway.admin_key})


async def test_routes_answer_alike_in_every_process_and_go_everywhere_at_once(
    session: aiohttp.ClientSession, upstream: int
) -> None:
    routes = [{"method": "GET", "path": "/echo", "policy": {"record": "all"}}]
    secret = await register(session, upstream, routes=routes)
    await everywhere(session, "/v1/many/echo", {200})
    for _ in range(LOOKS):
        async with session.get("/v1/many/echo") as answer:
            identity = verify_identity((await answer.json())["headers"], secret)
            assert identity.site_id == "default"
    async with session.get("/v1/many/echo?q=1") as answer:
        seen = (await answer.json())["headers"]
        assert (seen["x-site-id"], seen["via"]) == ("default", "1.1 taskgate")
        assert "x-api-key" not in seen
    deadline = time.monotonic() + WITHIN_S
    while len(await recorded(session)) < LOOKS:
        assert time.monotonic() < deadline, "calls through a front were not recorded"
    async with session.delete("/gateway/services/many") as answer:
        assert answer.status == 204
    await everywhere(session, "/v1/many/echo", {404})


async def test_every_request_is_told_once_whichever_process_it_met(
    gateway: GatewayProcess, session: aiohttp.ClientSession, upstream: int
) -> None:
    await register(session, upstream, routes=[{"method": "GET", "path": "/echo"}])
    await everywhere(session, "/v1/many/echo", {200})
    for number in range(LOOKS):
        for path, name in (("/v1/many/echo?q=1", "proxied"), ("/v1/tasks", "asked")):
            async with session.get(path, headers={"X-Request-Id": f"{name}-{number}"}) as answer:
                assert answer.status == 200

    def lines() -> list[dict[str, Any]]:
        told = [
            json.loads(line) for line in gateway.log().splitlines() if line.startswith('{"logger":"taskgate.access')
        ]
        return [line for line in told if line["request_id"].startswith(("proxied-", "asked-"))]

    await until_true(lambda: len(lines()) >= 2 * LOOKS)
    found = lines()
    assert len(found) == len({line["request_id"] for line in found}) == 2 * LOOKS
    assert {line["path"] for line in found} == {"/v1/many/echo", "/v1/tasks"}
    assert {line["principal"] for line in found} == {gateway.admin_key.split("_")[1]}
    assert {line.get("service") for line in found} == {"many", None}
    async with session.delete("/gateway/services/many") as answer:
        assert answer.status == 204
    await everywhere(session, "/v1/many/echo", {404})


async def test_everything_else_reaches_the_gateway_as_it_came(
    gateway: GatewayProcess, session: aiohttp.ClientSession
) -> None:
    workers = [SimpleWorker(gateway, f"w{number}") for number in range(6)]
    working = [asyncio.create_task(worker.run()) for worker in workers]
    caller = Caller(gateway, session)
    try:
        run_ids = [await caller.submit("echo", f"k{number}", {"n": number}) for number in range(24)]
        for number, run_id in enumerate(run_ids):
            body = await caller.until_ended(run_id)
            assert (body["status"], body["output"]) == ("succeeded", {"n": number})
        headers = {"Accept": "text/event-stream"}
        for run_id in run_ids[:8]:
            async with session.get(f"/v1/runs/{run_id}/journal", headers=headers) as stream:
                assert b"event: end" in await stream.read()
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    answers = await asyncio.gather(*(refused(session, number) for number in range(LOOKS)))
    assert set(answers) == {(401, "UNAUTHENTICATED", "gateway"), (404, "NO_SUCH_ADDRESS", "gateway")}


async def test_a_stranger_cannot_tell_a_route_from_nothing(
    gateway: GatewayProcess, session: aiohttp.ClientSession, upstream: int
) -> None:
    """Neither by status nor by which headers come in which order, whichever process answers."""
    await register(session, upstream, routes=[{"method": "GET", "path": "/echo"}])
    await everywhere(session, "/v1/many/echo", {200})
    seen = set()
    for path in ("/v1/many/echo", "/v1/many/none"):
        for _ in range(LOOKS):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            seen.add(" ".join([head[9:12], *(line.partition(":")[0] for line in head.splitlines()[1:])]))
            writer.close()
            await writer.wait_closed()
    assert len(seen) == 1


async def test_old_clients_need_no_host_in_any_process(gateway: GatewayProcess) -> None:
    for _ in range(LOOKS):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET /health HTTP/1.0\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        await writer.wait_closed()


async def test_who_stays_connected_keeps_nobody_out(tmp_path: Path) -> None:
    """The cap on connections to an upstream is none on the way to the gateway: every worker takes one for good."""
    for gateway in started(tmp_path, TASKGATE_PROXY__POOL_SIZE="1", TASKGATE_PROXY__POOL_WAIT_S="0.2"):
        workers = [SimpleWorker(gateway, f"w{number}") for number in range(LOOKS // 2)]
        working = [asyncio.create_task(worker.run()) for worker in workers]
        try:
            async with calling(gateway) as session:
                await everywhere(session, "/gateway/workers", {200})
                async with session.get("/gateway/workers") as answer:
                    assert len((await answer.json())["workers"]) == len(workers)
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)


async def test_sockets_of_services_and_a_revoked_key(
    gateway: GatewayProcess, session: aiohttp.ClientSession, upstream: int
) -> None:
    await register(session, upstream, routes=[{"method": "GET", "path": "/talk"}, {"method": "GET", "path": "/echo"}])
    await everywhere(session, "/v1/many/echo", {200})
    key = await new_key(session)
    sockets = [await session.ws_connect("/v1/many/talk", headers={"X-API-Key": key["key"]}) for _ in range(12)]
    for socket_ in sockets:
        await socket_.send_str("hello")
        assert await socket_.receive_str() == "HELLO"
    await everywhere(session, "/v1/many/echo", {200}, headers={"X-API-Key": key["key"]})
    async with session.delete(f"/v1/keys/{key['id']}") as answer:
        assert answer.status == 204
    async with asyncio.timeout(5):
        ended = [(await socket_.receive()).type for socket_ in sockets]
    assert set(ended) <= {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    await everywhere(session, "/v1/many/echo", {401, 429}, headers={"X-API-Key": key["key"]}, within_s=5.0)


async def test_a_rate_is_shared_out_among_the_processes(session: aiohttp.ClientSession, upstream: int) -> None:
    limit = {"rate": 0.1, "burst": 30, "per": "route"}
    await register(session, upstream, routes=[{"method": "GET", "path": "/echo", "policy": {"rate_limits": [limit]}}])
    statuses = Counter([await status_of(session, "/v1/many/echo") for _ in range(120)])
    assert statuses[200] == 30
    assert statuses[429] == 90


async def test_a_killed_front_is_replaced_and_the_others_go_on(mortal: GatewayProcess, upstream: int) -> None:
    async with calling(mortal) as session:
        await register(session, upstream, routes=[{"method": "GET", "path": "/echo"}])
        await everywhere(session, "/v1/many/echo", {200})
        old = fronts_of(mortal)
        os.kill(old[0], signal.SIGKILL)
        until(lambda: old[0] not in fronts_of(mortal) and all_listen(mortal), within_s=30.0)
        await everywhere(session, "/v1/many/echo", {200})


async def test_an_orderly_end_cuts_no_call(mortal: GatewayProcess, upstream: int, held: Held) -> None:
    async with calling(mortal) as session:
        await register(session, upstream, routes=[{"method": "GET", "path": path} for path in ("/slow", "/echo")])
        await everywhere(session, "/v1/many/echo", {200})
        calls = [asyncio.create_task(status_of(session, "/v1/many/slow")) for _ in range(LOOKS)]
        await until_true(lambda: held.count == LOOKS)
        fronts = fronts_of(mortal)
        ending = asyncio.create_task(asyncio.to_thread(mortal.stop))
        await until_true(lambda: not any(listens(pid, mortal.port) for pid in fronts))
        held.may_end.set()
        assert Counter(await asyncio.gather(*calls)) == {200: LOOKS}
    assert await ending == 0
    assert not any(is_alive(pid) for pid in fronts)


def test_fronts_die_with_a_killed_gateway(mortal: GatewayProcess) -> None:
    fronts = fronts_of(mortal)
    os.kill(mortal.pid, signal.SIGKILL)
    until(lambda: not any(is_alive(pid) for pid in fronts))


# ---------------------------------------------------------------- parts


async def register(session: aiohttp.ClientSession, port: int, *, routes: list[dict[str, Any]]) -> str:
    """Registers the upstream; the secret that its identities are signed with."""
    told = [
        {
            "name": route["path"].strip("/"),
            "method": route["method"],
            "gateway_path": route["path"],
            "upstream_path": route["path"],
            "summary": "a route",
            "policy": route.get("policy", {}),
        }
        for route in routes
    ]
    body = {"name": "many", "base_url": f"http://127.0.0.1:{port}", "prefix": "/v1/many", "routes": told, "lease_s": 0}
    async with session.post("/gateway/register", json=body) as answer:
        assert answer.status in (200, 201), await answer.text()
        return str((await answer.json())["identity_secret"])


async def status_of(session: aiohttp.ClientSession, path: str, **options: Any) -> int:
    async with session.get(path, **options) as answer:
        await answer.read()
        return answer.status


async def everywhere(
    session: aiohttp.ClientSession, path: str, statuses: set[int], *, within_s: float = WITHIN_S, **options: Any
) -> None:
    """Every process answers with one of these, after a moment at most."""
    deadline = time.monotonic() + within_s
    while True:
        found = {await status_of(session, path, **options) for _ in range(LOOKS)}
        if found <= statuses:
            return
        assert time.monotonic() < deadline, f"{found}, not {statuses} alone"


async def refused(session: aiohttp.ClientSession, number: int) -> tuple[int, str, str | None]:
    headers = {"X-API-Key": ""} if number < 3 else {}  # more would be an attack
    async with session.get("/v1/nowhere", headers=headers) as answer:
        body = json.loads(await answer.read())
        return answer.status, body["code"], answer.headers.get("Gateway-Error-Source")


async def new_key(session: aiohttp.ClientSession) -> dict[str, Any]:
    async with session.post("/v1/keys", json={"name": "caller", "scopes": ["submit"]}) as answer:
        assert answer.status == 201
        made: dict[str, Any] = await answer.json()
        return made


async def recorded(session: aiohttp.ClientSession) -> list[Any]:
    async with session.get("/gateway/calls?limit=100") as answer:
        assert answer.status == 200, await answer.text()
        calls: list[Any] = (await answer.json())["calls"]
        return calls
