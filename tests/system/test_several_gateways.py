"""Two gateways, real processes, over one PostgreSQL and one Redis: a caller may ask either."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.system.cluster import GatewayProcess, SimpleWorker, free_port
from tests.system.pair import TERM_S, Pair

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, redis: Redis) -> Iterator[Pair]:
    """The two gateways of all these tests: starting them is most of what a test would take."""
    redis.command("FLUSHALL")
    made = Pair(tmp_path_factory.mktemp("gateways"), postgres.new_database(), redis.url)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def pair(standing: Pair) -> Pair:
    standing.start()
    return standing


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as made:
        yield made


def headers(gateway: GatewayProcess) -> dict[str, str]:
    return {"X-API-Key": gateway.admin_key}


async def submit(
    session: aiohttp.ClientSession, gateway: GatewayProcess, value: Any, *, wait_s: int = 0, task: str = "echo"
) -> tuple[int, dict[str, Any]]:
    told = headers(gateway) | ({"Prefer": f"wait={wait_s}"} if wait_s else {})
    async with session.post(f"{gateway.url}/v1/tasks/{task}/runs", json={"input": value}, headers=told) as answer:
        return answer.status, await answer.json()


async def read(session: aiohttp.ClientSession, gateway: GatewayProcess, path: str) -> Any:
    async with session.get(gateway.url + path, headers=headers(gateway)) as answer:
        return await answer.json()


@contextlib.asynccontextmanager
async def working(gateway: GatewayProcess, name: str = "w1") -> AsyncIterator[SimpleWorker]:
    worker = SimpleWorker(gateway, name)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(claim: Any, within_s: float = PATIENCE_S) -> Any:
    """Ask until the answer is true; the last answer."""
    deadline = time.monotonic() + within_s
    while not (found := await claim()):
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.02)
    return found


async def test_a_run_submitted_at_one_is_done_at_the_other_and_waited_for(
    pair: Pair, session: aiohttp.ClientSession
) -> None:
    async with working(pair.two):
        await until(lambda: _known(session, pair.one))
        status, ended = await submit(session, pair.one, {"a": 1}, wait_s=20)
        assert (status, ended["status"], ended["output"]) == (200, "succeeded", {"a": 1})
        began = time.monotonic()
        for number in range(20):
            status, ended = await submit(session, pair.one, number, wait_s=20)
            assert (status, ended["output"]) == (200, number)
        assert time.monotonic() - began < 8.0  # by news: asking again takes five seconds each
        workers = await until(lambda: _workers(session, pair.one, "online"))
        assert "w1" in [worker["id"] for worker in workers]


async def _known(session: aiohttp.ClientSession, gateway: GatewayProcess, name: str = "echo") -> bool:
    tasks = await read(session, gateway, "/v1/tasks")
    return any(task["name"] == name for task in tasks["tasks"])


async def _workers(session: aiohttp.ClientSession, gateway: GatewayProcess, status: str) -> list[dict[str, Any]]:
    workers = (await read(session, gateway, "/gateway/workers"))["workers"]
    return [worker for worker in workers if worker["status"] == status]


async def test_f1_a_gateway_is_killed_with_workers_and_duties_and_nothing_is_lost(
    pair: Pair, session: aiohttp.ClientSession
) -> None:
    """The other one leads within its term; what the dead one had given out goes to a worker here."""
    accepted: list[str] = []
    async with working(pair.one, "w1"):
        await until(lambda: _known(session, pair.two))
        for number in range(60):
            status, run = await submit(session, (pair.one, pair.two)[number % 2], number)
            assert status == 202
            accepted.append(run["id"])
        pair.one.kill()
        async with working(pair.two, "w2"):
            for number in range(20):
                status, run = await submit(session, pair.two, number)
                assert status == 202
                accepted.append(run["id"])
            await until(lambda: _all_succeeded(session, pair.two, accepted), within_s=45.0)


async def _all_succeeded(session: aiohttp.ClientSession, gateway: GatewayProcess, run_ids: list[str]) -> bool:
    runs = [await read(session, gateway, f"/v1/runs/{run_id}") for run_id in run_ids]
    assert {run["status"] for run in runs} <= {"queued", "running", "succeeded"}
    return all(run["status"] == "succeeded" for run in runs)


async def test_inv_f5_a_leader_that_was_paused_goes_on_harmlessly(pair: Pair, session: aiohttp.ClientSession) -> None:
    async with working(pair.two):
        await until(lambda: _known(session, pair.two))
        os.kill(pair.one.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(TERM_S + 1.5)
            status, ended = await submit(session, pair.two, 1, wait_s=20)
            assert (status, ended["status"]) == (200, "succeeded")
        finally:
            os.kill(pair.one.pid, signal.SIGCONT)
        status, ended = await submit(session, pair.one, 2, wait_s=20)
        assert (status, ended["status"]) == (200, "succeeded")


async def test_f30_a_key_revoked_at_one_ends_its_worker_at_the_other(
    pair: Pair, session: aiohttp.ClientSession
) -> None:
    body = {"name": "w", "kind": "worker", "scopes": ["worker", "serve:*"]}
    async with session.post(f"{pair.one.url}/v1/keys", json=body, headers=headers(pair.one)) as answer:
        made = await answer.json()
        assert answer.status == 201, made
    async with session.ws_connect(f"{pair.two.url}/ws/workers/w9", headers={"X-API-Key": made["key"]}) as socket:
        await socket.send_json({"type": "hello", "worker_id": "w9", "capabilities": ["echo"]})
        await socket.receive(timeout=PATIENCE_S)
        async with session.delete(f"{pair.one.url}/v1/keys/{made['id']}", headers=headers(pair.one)) as answer:
            assert answer.status in (200, 204)
        began = time.monotonic()
        while (message := await socket.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert socket.close_code == 4401, message
        assert time.monotonic() - began < 5.0


async def test_a_second_gateway_with_another_secret_is_refused(pair: Pair, tmp_path: Path) -> None:
    settings = dict(pair.one._settings) | {"TASKGATE_AUTH__ROOT_SECRET": "0f" * 32}
    other = GatewayProcess(tmp_path / "three", settings=settings)
    with pytest.raises(AssertionError, match="root secret"):
        other.start()
    other.kill()


async def test_inv_l1_a_journal_is_followed_at_one_while_it_is_written_at_the_other(
    pair: Pair, session: aiohttp.ClientSession
) -> None:
    """Every line once, in order, across the hand-over from stored to live."""
    socket = await session.ws_connect(f"{pair.two.url}/ws/workers/w5", headers={"X-API-Key": pair.two.worker_key})
    await _greet(socket, "w5", "talk")
    await until(lambda: _known(session, pair.one, "talk"))
    _, run = await submit(session, pair.one, 0, task="talk")
    offer = await _told(socket, "task")
    named = {"run_id": offer["run_id"], "attempt": offer["attempt"], "lease_token": offer["lease_token"]}
    await socket.send_json({"type": "accept", **named})
    followed = asyncio.create_task(_followed(session, pair.one, run["id"]))
    for number in range(1, 101):
        line = {"seq": number, "at": time.time(), "text": f"line {number}"}
        await socket.send_json({"type": "log", **named, "stream": "stdout", "lines": [line]})
        await asyncio.sleep(0.005)
    await socket.send_json({"type": "task_result", **named, "status": "ok", "result": 1})
    entries = await asyncio.wait_for(followed, PATIENCE_S)
    await socket.close()
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry["text"] for entry in entries if entry["kind"] == "log"] == [f"line {n}" for n in range(1, 101)]
    assert entries[-1]["kind"] == "result"


async def _greet(socket: aiohttp.ClientWebSocketResponse, name: str, task: str) -> None:
    hello = {"type": "hello", "worker_id": name, "versions": [1], "capabilities": [task], "slots": 1}
    await socket.send_json(hello)
    await _told(socket, "welcome")
    await socket.send_json({"type": "ready", "credit": 1})


async def _told(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next message of this kind."""
    while True:
        received = await socket.receive(timeout=PATIENCE_S)
        assert received.type is aiohttp.WSMsgType.TEXT, received
        frame = json.loads(received.data)
        for message in frame if isinstance(frame, list) else [frame]:
            if message["type"] == kind:
                found: dict[str, Any] = message
                return found


async def _followed(session: aiohttp.ClientSession, gateway: GatewayProcess, run_id: str) -> list[dict[str, Any]]:
    told = headers(gateway) | {"Accept": "text/event-stream"}
    entries = []
    async with session.get(f"{gateway.url}/v1/runs/{run_id}/journal", headers=told) as answer:
        async for line in answer.content:
            if line.startswith(b"event: end"):
                break
            if line.startswith(b"data: "):
                entries.append(json.loads(line[6:]))
    return [entry for entry in entries if "seq" in entry]


async def test_a_cancel_at_one_stops_the_worker_at_the_other(pair: Pair, session: aiohttp.ClientSession) -> None:
    async with session.ws_connect(
        f"{pair.two.url}/ws/workers/w6", headers={"X-API-Key": pair.two.worker_key}
    ) as socket:
        await _greet(socket, "w6", "slow")
        await until(lambda: _known(session, pair.one, "slow"))
        _, run = await submit(session, pair.one, 0, task="slow")
        offer = await _told(socket, "task")
        named = {"run_id": offer["run_id"], "attempt": offer["attempt"], "lease_token": offer["lease_token"]}
        await socket.send_json({"type": "accept", **named})
        url = f"{pair.one.url}/v1/runs/{run['id']}/cancel"
        async with session.post(url, headers=headers(pair.one)) as answer:
            assert answer.status == 200
        await _told(socket, "cancel")
        await socket.send_json({"type": "stopped", **named})
        await until(lambda: _stopped(session, pair.one, run["id"]))


async def _stopped(session: aiohttp.ClientSession, gateway: GatewayProcess, run_id: str) -> bool:
    run = await read(session, gateway, f"/v1/runs/{run_id}")
    return run["status"] == "cancelled" and run.get("stopped_at") is not None


class Balancer:
    """Sends each connection to a gateway that is ready, as the cheapest TCP balancers do."""

    def __init__(self, gateways: tuple[GatewayProcess, ...]) -> None:
        self._gateways = gateways
        self._ready: list[GatewayProcess] = list(gateways)
        self._turn = 0
        self.port = free_port()

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        async with server, asyncio.TaskGroup() as group:
            group.create_task(server.serve_forever())
            group.create_task(self._watch())

    async def _watch(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as session:
            while True:
                self._ready = [gateway for gateway in self._gateways if await self._is_ready(session, gateway)]
                await asyncio.sleep(0.05)

    async def _is_ready(self, session: aiohttp.ClientSession, gateway: GatewayProcess) -> bool:
        try:
            async with session.get(f"{gateway.url}/health/ready") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._turn += 1
        gateway = self._ready[self._turn % len(self._ready)]
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        await asyncio.gather(_pump(reader, upstream_writer), _pump(upstream_reader, writer), return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


async def test_f32_a_rolling_restart_fails_no_request(pair: Pair, session: aiohttp.ClientSession) -> None:
    balancer = Balancer((pair.one, pair.two))
    serving = asyncio.create_task(balancer.serve())
    url, key = f"http://127.0.0.1:{balancer.port}/v1/tasks/echo/runs", pair.one.admin_key
    counts: dict[int, int] = {}
    ending = asyncio.Event()

    async def call(number: int) -> None:
        async with aiohttp.ClientSession(headers={"X-API-Key": key}) as own:
            while not ending.is_set():
                async with own.post(url, data=json.dumps({"input": number})) as answer:
                    await answer.read()
                    counts[answer.status] = counts.get(answer.status, 0) + 1
                await asyncio.sleep(0.02)

    async with working(pair.two):
        await until(lambda: _known(session, pair.one))
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(call(number))
            for gateway in (pair.one, pair.two):
                await asyncio.to_thread(gateway.stop)
                await asyncio.to_thread(gateway.start)
                await asyncio.sleep(0.3)  # load on both, for a moment
            ending.set()
    serving.cancel()
    assert set(counts) == {202}, counts
    assert counts[202] > 100
