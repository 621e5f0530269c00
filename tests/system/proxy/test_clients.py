"""Clients that people use, through a proxied service: aiohttp, httpx, websockets, urllib, curl, EventSource."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from tests.system.cluster import free_port
from tests.system.proxy.fronts import Front, keyless_front, taskgate_front
from tests.system.proxy.servers import need, running
from tests.system.proxy.streams import stream_server

pytestmark = pytest.mark.system

SIZE = 5_000_000
EVENTS = [f"event {number}" for number in range(5)]
BROWSER_S = 60


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("clients")
    server = stream_server(folder, port=free_port())
    with running(server), taskgate_front(folder, {"up": server.port}) as found:
        yield found


async def pieces(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 10_000):
        yield b"x" * min(10_000, size - start)


def data_lines(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]


async def test_aiohttp(front: Front) -> None:
    async with aiohttp.ClientSession(front.url, headers=front.headers) as session:
        async with session.get("/up/bytes", params={"n": str(SIZE)}) as answer:
            assert len(await answer.read()) == SIZE
        async with session.post("/up/swallow", data=pieces(SIZE)) as answer:
            assert await answer.json() == {"bytes": SIZE}
        async with session.get("/up/events") as answer:
            assert answer.content_type == "text/event-stream"
            assert data_lines(await answer.text()) == EVENTS
        async with session.ws_connect("/up/echo") as socket:
            await socket.send_bytes(b"x" * 200_000)
            assert (await socket.receive(5)).data == b"x" * 200_000


async def test_httpx(front: Front) -> None:
    async with httpx.AsyncClient(base_url=front.url, headers=front.headers) as client:
        assert len((await client.get("/up/bytes", params={"n": SIZE})).content) == SIZE
        assert (await client.post("/up/swallow", content=pieces(SIZE))).json() == {"bytes": SIZE}
        assert (await client.head("/up/plain")).status_code == 200
        async with client.stream("GET", "/up/events") as answer:
            assert data_lines("\n".join([line async for line in answer.aiter_lines()])) == EVENTS


async def test_websockets(front: Front) -> None:
    """A hundred messages, a ping, a large one in fragments, an orderly end with its code."""
    url = front.url.replace("http", "ws") + "/up/echo"
    async with connect(url, additional_headers=front.headers, compression=None) as socket:
        for number in range(100):
            await socket.send(f"word {number}")
        assert [await socket.recv() for _ in range(100)] == [f"word {number}" for number in range(100)]
        await (await socket.ping())
        await socket.send([b"a" * 100_000, b"b" * 100_000])
        assert await socket.recv() == b"a" * 100_000 + b"b" * 100_000
        await socket.close()
    assert socket.close_code == 1000  # the service's own answer to it


async def test_a_websocket_whose_message_is_too_large(front: Front) -> None:
    """The service ends it. Its close frame may be lost: it stops reading while the message is still under way."""
    url = front.url.replace("http", "ws") + "/up/echo"
    async with connect(url, additional_headers=front.headers, compression=None) as socket:
        await socket.send(b"x" * (1 << 21))
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1009


async def test_websockets_without_a_key(front: Front) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connect(front.url.replace("http", "ws") + "/up/echo"):
            pass
    assert refused.value.response.status_code == 401


def test_urllib(front: Front) -> None:
    request = urllib.request.Request(front.url + "/up/swallow", data=b"x" * 1000, headers=front.headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer) == {"bytes": 1000}


def curl(front: Front, *arguments: str) -> str:
    header = [part for name, value in front.headers.items() for part in ("-H", f"{name}: {value}")]
    command = [need("curl"), "--silent", "--show-error", "--max-time", "20", *header, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def test_curl(front: Front, tmp_path: Path) -> None:
    """Expect: 100-continue, an upload in chunks, HEAD, several requests over one connection, an unbuffered stream."""
    file = tmp_path / "body"
    file.write_bytes(b"x" * SIZE)
    swallow, plain = f"{front.url}/up/swallow", f"{front.url}/up/plain"
    assert json.loads(curl(front, "--data-binary", f"@{file}", swallow)) == {"bytes": SIZE}
    for line in ("Expect: 100-continue", "Transfer-Encoding: chunked"):
        assert json.loads(curl(front, "-H", line, "--data-binary", f"@{file}", swallow)) == {"bytes": SIZE}
    assert curl(front, "--head", plain).startswith("HTTP/1.1 200")
    assert curl(front, plain, plain, plain).count('"method": "GET"') == 3
    assert curl(front, "-w", "%{num_connects}", "-o", "/dev/null", "-o", "/dev/null", plain, plain) == "10"
    assert data_lines(curl(front, "--no-buffer", f"{front.url}/up/events")) == EVENTS


def test_a_browser_reads_events(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """EventSource in headless chromium; browsers set no header, so this gateway asks for no key."""
    program, folder = need("chromium"), tmp_path_factory.mktemp("browser")
    server = stream_server(folder, port=free_port())
    settings = {"TASKGATE_AUTH__ENABLED": "false"}
    with running(server), keyless_front(folder, server.port, settings) as url:
        flags = ["--headless", "--disable-gpu", "--no-sandbox", "--virtual-time-budget=8000"]
        command = [program, *flags, f"--user-data-dir={tmp_path}", "--dump-dom", f"{url}/up/page"]
        told = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=BROWSER_S, env=told)
    assert "".join(f"{number}:event {number}\n" for number in range(5)) in done.stdout
