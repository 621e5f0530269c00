"""F24: what is huge is cut at its limit, or flows through without being kept: memory stays within twice the limit."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from benchmarks.usage import resident_bytes
from tests.system.cluster import free_port
from tests.system.proxy.fronts import Front, ask, taskgate_front
from tests.system.proxy.servers import running
from tests.system.proxy.streams import stream_server

pytestmark = pytest.mark.system

MIB = 1 << 20
GIB = 1 << 30
LIMIT = 10 * MIB
THROUGH = 256 * MIB
PIECE = b"x" * (256 << 10)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("huge")
    server = stream_server(folder, port=free_port())
    with running(server), taskgate_front(folder, {"up": server.port}) as found:
        routes = [
            {
                "name": "large", "method": "*", "gateway_path": "/large/{rest:path}", "upstream_path": "/{rest:path}",
                "policy": {"max_body_bytes": GIB},
            },
        ]  # fmt: skip
        told = {"name": "large", "base_url": f"http://127.0.0.1:{server.port}", "routes": routes, "lease_s": 3600}
        status, answer = ask(found.url, "POST", "/gateway/register", key=found.credential, body=told)
        assert status in (200, 201), answer
        yield found


class Peak:
    """The most memory that the gateway had inside the block, above what it had before."""

    def __init__(self, front: Front) -> None:
        self._pid = front.pid
        self._before = resident_bytes(self._pid)
        self._is_over = threading.Event()
        self.grown = 0

    def __enter__(self) -> Peak:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(0.02):
            self.grown = max(self.grown, resident_bytes(self._pid) - self._before)


def uploaded(front: Front, path: str, size: int, *, chunked: bool) -> tuple[bytes, int]:
    """What was answered, and how many bytes could be sent."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    piece = b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    sent = 0
    with socket.create_connection(("127.0.0.1", front.port), timeout=30) as link:
        link.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\n".encode() + front.lines + framing + b"\r\n\r\n")
        try:
            while sent < size:
                link.sendall(piece)
                sent += len(PIECE)
            if chunked:
                link.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        return _answered(link), sent


def _answered(link: socket.socket) -> bytes:
    try:
        return link.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("path", ["/up/swallow", "/v1/tasks/x/runs"])
def test_f24_a_gibibyte_against_a_limit(front: Front, path: str, chunked: bool) -> None:
    with Peak(front) as peak:
        said, sent = uploaded(front, path, GIB, chunked=chunked)
    assert said[9:12] in (b"413", b"404", b"")
    assert sent < 4 * LIMIT
    assert peak.grown < 2 * LIMIT


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_f24_what_is_allowed_flows_through(front: Front, chunked: bool) -> None:
    with Peak(front) as peak:
        said, sent = uploaded(front, "/large/swallow", THROUGH, chunked=chunked)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert f'"bytes": {THROUGH}'.encode() in said
    assert sent == THROUGH
    assert peak.grown < LIMIT


def test_f24_a_large_answer_flows_through(front: Front) -> None:
    count, begun = 0, time.monotonic()
    with Peak(front) as peak, socket.create_connection(("127.0.0.1", front.port), timeout=30) as link:
        target = f"GET /large/bytes?n={THROUGH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        link.sendall(target.encode() + front.lines + b"\r\n")
        while piece := link.recv(1 << 20):
            count += len(piece)
            assert time.monotonic() - begun < 60
    assert THROUGH < count < THROUGH + 4096
    assert peak.grown < LIMIT
