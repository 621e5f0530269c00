"""The WebSocket door by itself: who is let in, simple clients, hostile frames (INV-A4, F24, S26)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from taskgate.edge.workers import serving
from taskgate.runs.run import Status
from tests.edge.workers.doors import Doors, WebSocketWire, Worker

DEMO = {"worker_id": "demo-1", "capabilities": ["demo.echo"], "metadata": {"kind": "demo"}}


async def raw(doors: Doors, worker_id: str = "w1") -> aiohttp.ClientWebSocketResponse:
    url = f"{doors.server.url}/ws/workers/{worker_id}"
    return await doors.session.ws_connect(url, headers={"authorization": f"Bearer {doors.worker_key}"})


def masked(text: bytes) -> bytes:
    """A short text frame as a client sends it."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


async def hear(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next frame of this type; every frame to a simple client is one object."""
    while True:
        told: dict[str, Any] = await socket.receive_json(timeout=20)
        if told["type"] == kind:
            return told


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "tg_wrong_wrong"}, 401),
        ({"authorization": "Basic dzE6dzE="}, 401),
    ],
)
async def test_inv_a4_nobody_gets_in_without_a_credential(doors: Doors, headers: dict[str, str], status: int) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await doors.session.ws_connect(f"{doors.server.url}/ws/workers/w1", headers=headers)
    assert refusal.value.status == status


async def test_a_key_without_the_scope_is_forbidden(doors: Doors) -> None:
    headers = {"x-api-key": await doors.house.key("submit", "read")}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await doors.session.ws_connect(f"{doors.server.url}/ws/workers/w1", headers=headers)
    assert refusal.value.status == 403


@pytest.mark.parametrize("name", ["a%20b", "..%2f..", "%2e%2e", "w%00", "x" * 129, "%EF%BD%81", "w%2531"])
async def test_a_path_that_names_no_worker_is_not_found(doors: Doors, name: str) -> None:
    """S14: decoded once, and judged as it is."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await doors.dial("websocket", name)
    assert refusal.value.status in (400, 401, 403, 404)


async def test_both_paths_lead_to_the_same_door(doors: Doors) -> None:
    url = f"{doors.server.url}/api/v1/ws/workers/w1"
    socket = await doors.session.ws_connect(url, headers={"x-api-key": doors.worker_key})
    await Worker(WebSocketWire(socket)).hello()
    await socket.close()


@pytest.mark.parametrize("by", ["tracking_id", "run_id"])
async def test_a_simple_client_works(doors: Doors, by: str) -> None:
    """hello, heartbeat, task and task_result are enough, the first frame even without a type."""
    socket = await raw(doors, "demo-1")
    await socket.send_json(DEMO)
    await hear(socket, "welcome")
    await socket.send_json({"type": "heartbeat"})
    await hear(socket, "heartbeat_ack")
    first, second = await doors.submit(n=1), await doors.submit(n=2)
    for run_id, n in ((first, 1), (second, 2)):
        task = await hear(socket, "task")
        assert (task["tracking_id"], task["capability"], task["payload"]) == (run_id, "demo.echo", {"n": n})
        await socket.send_json({"type": "heartbeat", "worker_id": "demo-1"})
        await socket.send_json({"type": "task_result", by: run_id, "status": "ok", "result": {"n": n * 10}})
        assert (await hear(socket, "ack")).get("verdict", "applied") == "applied"
    run = await doors.run(second)
    assert (run.status, run.output, run.tries) == (Status.SUCCEEDED, b'{"n": 20}', 1)
    await socket.close()


async def test_a_simple_clients_error_is_kept(doors: Doors) -> None:
    socket = await raw(doors, "demo-1")
    await socket.send_json(DEMO)
    run_id = await doors.submit()
    await hear(socket, "task")
    await socket.send_json({"type": "task_result", "tracking_id": run_id, "status": "error", "error": "no model"})
    await hear(socket, "ack")
    run = await doors.run_when(run_id, lambda run: run.status is Status.FAILED)
    assert run.error is not None
    assert run.error.message == "no model"
    await socket.close()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("hello", 1002),
        ('{"type":"no_such"}', 1002),
        ('{"type":"hello"}', 1002),
        ('{"type":"hello","worker_id":7}', 1002),
        ("[" * 1_000_000, 1002),
        ('{"type":"hello","worker_id":"w1","metadata":' + "[" * 1_000_000, 1002),
        ("[" + ",".join(['{"type":"bye"}'] * 3000) + "]", 1002),
        ('{"type":"hello","worker_id":"w1","metadata":"' + "x" * (1 << 20) + '"}', 1009),
        (b'{"type":"bye","reason":"\xff"}', 1002),
    ],
)
async def test_f24_hostile_frames_close_their_own_link_alone(doors: Doors, frame: str | bytes, code: int) -> None:
    neighbour = await doors.dial("websocket", "w2")
    await neighbour.hello("w2")
    socket = await raw(doors)
    await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
    wire = WebSocketWire(socket)
    async with asyncio.timeout(20):
        while await wire.hear():
            pass
    assert socket.close_code == code
    await doors.submit()
    assert (await neighbour.finish(await neighbour.begin(), {})).verdict == "applied"
    await neighbour.wire.close()


async def test_a_frame_that_breaks_the_rules_is_named_before_the_close(doors: Doors) -> None:
    socket = await raw(doors)
    await socket.send_str('{"type":"hello","worker_id":"w1","versions":[9]}')
    told = json.loads((await socket.receive(timeout=20)).data)
    assert (told[0] if isinstance(told, list) else told)["code"] == "VERSION_UNSUPPORTED"
    await socket.close()


async def test_f15_a_worker_that_does_not_read_is_closed_and_keeps_its_lease(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "STALLED_S", 0.2)
    monkeypatch.setattr(serving, "LAST_WORDS_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", doors.server.http_port, limit=1024)
    try:
        writer.write(
            f"GET /ws/workers/w1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"X-API-Key: {doors.worker_key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert b"101" in await reader.readline()
        hello = b'[{"type":"hello","worker_id":"w1","versions":[1],"capabilities":["demo.free"]}]'
        writer.write(masked(hello))
        await reader.readuntil(b'"welcome"')
        writer.write(masked(b'{"type":"ready","credit":500}'))
        key, fleet = await doors.house.key("submit"), doors.server.gateway.fleet
        await doors.until(lambda: (seated := fleet.find("w1")) is not None and seated.free > 0)
        body = {"input": "x" * 500_000}
        replies = [await doors.house.ask("POST", "/v1/tasks/demo.free/runs", body, key=key) for _ in range(40)]
        await doors.until(lambda: fleet.find("w1") is None)
        runs = [await doors.run(str(reply.told["id"])) for reply in replies]
        assert {run.attempt for run in runs} <= {0, 1}
    finally:
        writer.close()
        await writer.wait_closed()
