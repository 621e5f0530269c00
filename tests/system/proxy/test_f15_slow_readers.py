"""F15, INV-S4: readers that do not read cost a bounded piece of memory and slow nobody down."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from benchmarks.usage import resident_bytes
from tests.security.frames import Socket
from tests.system.cluster import free_port
from tests.system.proxy.calls import Caller, calling, p99, until
from tests.system.proxy.fronts import Front, taskgate_front
from tests.system.proxy.servers import running
from tests.system.proxy.streams import stream_server

pytestmark = pytest.mark.system

READERS = 20
MIB = 1 << 20
CALLS = 150
BASE_S = 0.025


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("readers")
    server = stream_server(folder, port=free_port())
    with running(server), taskgate_front(folder, {"up": server.port}) as found:
        yield found


async def called(front: Front) -> Caller:
    """So many honest calls, one after another in time."""
    caller = Caller(front, "/up/plain", rate=100)
    async with calling(caller):
        await until(lambda: len(caller.calls) >= CALLS)
    return caller


def sse_reader(front: Front) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", front.port), timeout=10)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.sendall(b"GET /up/endless?size=60000 HTTP/1.1\r\nHost: a\r\n" + front.lines + b"\r\n")
    assert link.recv(16).startswith(b"HTTP/1.1 200")
    return link


@pytest.mark.parametrize("kind", ["sse", "websocket"])
async def test_f15_slow_readers(front: Front, kind: str) -> None:
    base = await called(front)
    before = resident_bytes(front.pid)
    sockets = [Socket(front.port, "/up/flood", lines=front.lines) for _ in range(READERS if kind == "websocket" else 0)]
    links = [sse_reader(front) for _ in range(READERS if kind == "sse" else 0)]
    try:
        during = await called(front)
        grown = resident_bytes(front.pid) - before
        await asyncio.sleep(0.2)
        assert resident_bytes(front.pid) - before < READERS * MIB
    finally:
        for link in (*links, *(one.link for one in sockets)):
            link.close()
    assert during.statuses == {200: len(during.calls)}
    assert grown < READERS * MIB
    assert p99(during.calls) < max(2 * p99(base.calls), 4 * BASE_S)
