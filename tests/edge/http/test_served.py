"""The door on a real socket, as it runs in production, called by clients that we did not write."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import urllib3

from tests.edge.http.house import ECHO, FREE
from tests.edge.http.serving import Served

http = urllib3.PoolManager(retries=False, timeout=20)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served"), ECHO, FREE) as opened:
        yield opened


def spoken(served: Served, sent: bytes) -> bytes:
    """What comes back for raw bytes, until the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        told = b""
        while piece := line.recv(65536):
            told += piece
        return told


def test_submit_and_read_with_urllib3(served: Served) -> None:
    headers = {"X-API-Key": served.key("submit", "read"), "Idempotency-Key": '"k1"'}
    made = http.request("POST", f"{served.url}/v1/tasks/demo.echo/runs", json={"input": {"n": 1}}, headers=headers)
    assert made.status == 202
    told = http.request("GET", served.url + made.headers["location"], headers=headers).json()
    assert (told["input"], told["status"]) == ({"n": 1}, "queued")
    assert "server" not in made.headers


async def test_wait_and_follow_with_aiohttp(served: Served) -> None:
    key = served.key("submit", "read")
    seat = served.do(served.house.worker("demo.free", worker_id="aio"))

    async def work() -> None:
        await served.house.finish(await seat.offers.get(), {"ok": 1})

    async with aiohttp.ClientSession(served.url, headers={"X-API-Key": key}) as session:
        served._loop.call_soon_threadsafe(lambda: served._loop.create_task(work()))
        path = "/v1/tasks/demo.free/runs"
        async with session.post(path, json={"input": 1}, headers={"Prefer": "wait=10"}) as reply:
            run: dict[str, Any] = await reply.json()
            assert (reply.status, run["status"], run["output"]) == (200, "succeeded", {"ok": 1})
        events = {"Accept": "text/event-stream"}
        async with session.get(f"/v1/runs/{run['id']}/journal", headers=events) as stream:
            assert stream.headers["X-Accel-Buffering"] == "no"
            body = (await stream.read()).decode()
    assert "event: result" in body
    assert body.rstrip().split("\n\n")[-1].startswith("event: end\n")


def test_curl(served: Served, tmp_path: Path) -> None:
    """Authorization: Bearer, chunked upload, HEAD."""
    key = served.key("submit", "read")
    body = tmp_path / "body.json"
    body.write_text('{"input":{"n":1}}', encoding="utf-8")
    command = [
        "curl", "-sS", "-H", f"Authorization: Bearer {key}", "-H", "Transfer-Encoding: chunked", "-T", str(body),
        "-X", "POST", f"{served.url}/v1/tasks/demo.echo/runs",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert json.loads(done.stdout)["status"] == "queued"
    head = ["curl", "-sS", "-I", "-H", f"X-API-Key: {key}", f"{served.url}/v1/runs"]
    told = subprocess.run(head, capture_output=True, text=True, timeout=20, check=True).stdout
    assert told.startswith("HTTP/1.1 200")


def test_a_gigabyte_is_refused_before_it_is_sent(served: Served) -> None:
    """F24, INV-A4: headers alone decide; the connection is closed, nothing is buffered."""
    for key, status in ((served.key("submit"), b"413"), ("tg_wrong", b"401")):
        told = spoken(
            served,
            b"POST /v1/tasks/demo.echo/runs HTTP/1.1\r\nHost: x\r\nX-API-Key: " + key.encode()
            + b"\r\nContent-Length: 1073741824\r\n\r\n" + b" " * 100_000,
        )  # fmt: skip
        assert told.startswith(b"HTTP/1.1 " + status)
        assert b"connection: close" in told.lower()


def test_a_chunked_flood_is_cut(served: Served) -> None:
    key = served.key("submit").encode()
    head = b"POST /v1/tasks/demo.echo/runs HTTP/1.1\r\nHost: x\r\nX-API-Key: " + key + b"\r\n"
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
        line.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 200 << 20:
                line.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        assert sent < 100 << 20


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/runs HTTP/1.1\r\n\r\n",
        b"GET /v1/runs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v1/runs/wait HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /v1/runs/wait HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/runs/%2e%2e%2fkeys HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/tasks/a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/runs\r\nX: y HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_doubtful_requests(served: Served, head: bytes) -> None:
    """S12-S14 as far as this door decides them: 400, never an answer of the API."""
    told = spoken(served, head)
    assert told.startswith(b"HTTP/1.1 400")


def test_trace_is_refused(served: Served) -> None:
    told = spoken(served, b"TRACE / HTTP/1.1\r\nHost: x\r\nX-Secret: echo-me\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 405")
    assert b"echo-me" not in told


def test_forwarded_headers_move_nobody(served: Served) -> None:
    """S16: from loopback, where a server would trust them by default."""
    statuses = [
        http.request(
            "GET", f"{served.url}/v1/runs", headers={"X-API-Key": f"tg_{n}", "X-Forwarded-For": f"203.0.113.{n}"}
        ).status
        for n in range(40)
    ]  # fmt: skip
    assert statuses.count(429) >= 20
