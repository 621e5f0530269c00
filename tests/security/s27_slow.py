"""S27, F26: callers that are slow on purpose are cut at their deadline, and cost the others nothing.

Slow heads, slow bodies, silence, slow readers, half a TLS handshake's worth of rubbish; 500 connections at once here,
5,000 in `make soak`. The deadlines are shortened by settings; that the defaults are 10 and 30 s is held elsewhere.
"""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from benchmarks.usage import resident_bytes
from tests.system.cluster import free_port
from tests.system.proxy.fronts import Front, taskgate_front
from tests.system.proxy.raw import say
from tests.system.proxy.servers import running
from tests.system.proxy.streams import stream_server

pytestmark = [pytest.mark.security, pytest.mark.system]

HEADER_S, BODY_S = 1.0, 1.0
SLACK_S = 2.5
MANY, ALL = 500, 5_000
MIB = 1 << 20
SETTINGS = {"TASKGATE_PROXY__HEADER_S": str(HEADER_S), "TASKGATE_PROXY__BODY_IDLE_S": str(BODY_S)}


@pytest.fixture(scope="module")
def slow_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("slow")
    server = stream_server(folder, port=free_port())
    with running(server), taskgate_front(folder, {"up": server.port}, settings=SETTINGS) as front:
        yield front


def connected(front: Front, sent: bytes = b"") -> socket.socket:
    link = socket.create_connection(("127.0.0.1", front.port), timeout=10)
    link.sendall(sent)
    return link


def until_closed(link: socket.socket, *, trickle: bytes = b"", within_s: float = 8.0) -> tuple[float, bytes]:
    """Seconds until the other end closed, and what it said. A piece of `trickle` goes out every 100 ms."""
    begun, said, at = time.monotonic(), b"", 0
    link.settimeout(0.1)
    while time.monotonic() - begun < within_s:
        try:
            piece = link.recv(65536)
            if not piece:
                return time.monotonic() - begun, said
            said += piece
        except TimeoutError:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                link.sendall(trickle[at : at + 1])
            at = min(at + 1, len(trickle) - 1) if trickle else 0
        except ConnectionResetError:
            return time.monotonic() - begun, said
    return float("inf"), said


def test_a_trickled_head_is_cut(slow_front: Front) -> None:
    head = b"GET /up/x HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 10_000
    with connected(slow_front) as link:
        seconds, said = until_closed(link, trickle=head)
    assert seconds < HEADER_S + SLACK_S
    assert said.startswith(b"HTTP/1.1 408 ")


def test_silence_is_cut(slow_front: Front) -> None:
    with connected(slow_front) as link:
        seconds, _ = until_closed(link)
    assert seconds < HEADER_S + SLACK_S


def test_half_a_handshake_of_another_protocol_is_cut(slow_front: Front) -> None:
    with connected(slow_front, b"\x16\x03\x01\x02\x00\x01\x00") as link:
        seconds, _ = until_closed(link)
    assert seconds < HEADER_S + SLACK_S


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", [b"/up/swallow", b"/v1/tasks/x/runs"])
def test_a_body_that_stops_is_cut(slow_front: Front, path: bytes, framing: bytes) -> None:
    head = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + slow_front.lines + framing + b"\r\n\r\n5\r\nhello"
    with connected(slow_front, head) as link:
        seconds, said = until_closed(link)
    assert seconds < BODY_S + SLACK_S
    assert said[9:12] in (b"408", b"400", b"404", b"413")


def test_a_body_that_moves_is_not_cut(slow_front: Front) -> None:
    """Slow but alive: a byte every tenth of a second, longer than the deadline without a byte."""
    size = int(BODY_S * 10 * 2.5)
    head = b"POST /up/swallow HTTP/1.1\r\nHost: a\r\n" + slow_front.lines + b"Content-Length: %d\r\n\r\n" % size
    with connected(slow_front, head + b"x") as link:
        begun, said = time.monotonic(), b""
        for _ in range(size - 1):
            with contextlib.suppress(TimeoutError):
                link.settimeout(0.1)
                said += link.recv(65536)
            link.sendall(b"x")
        link.settimeout(5)
        said += link.recv(65536)
    assert time.monotonic() - begun > BODY_S
    assert said.startswith(b"HTTP/1.1 200 ")


def test_a_reader_that_stops_holds_no_body(slow_front: Front) -> None:
    """Zero window on a large download: back-pressure reaches the upstream, memory stays flat."""
    before = resident_bytes(slow_front.pid)
    request = b"GET /up/bytes?n=200000000 HTTP/1.1\r\nHost: a\r\n" + slow_front.lines + b"\r\n"
    links = [connected(slow_front, request) for _ in range(10)]
    try:
        assert all(call(slow_front) == 200 for _ in range(50))
        assert resident_bytes(slow_front.pid) - before < 24 * MIB
    finally:
        for link in links:
            link.close()


def call(front: Front) -> int:
    request = urllib.request.Request(front.url + "/up/plain", headers=front.headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        status: int = answer.status
        return status


@dataclass(slots=True)
class Crowd:
    """Many slow sockets in one thread; `closed_after_s` is when each was closed by the other end."""

    links: dict[socket.socket, bytes] = field(default_factory=dict)
    closed_after_s: list[float] = field(default_factory=list)

    def connect(self, front: Front, count: int) -> None:
        kinds = (
            b"GET /up/plain HTTP/1.1\r\nHost: a\r\nX-Slow: ",
            b"POST /up/swallow HTTP/1.1\r\nHost: a\r\n" + front.lines + b"Content-Length: 1000000\r\n\r\nx",
            b"",
        )
        for number in range(count):
            link = socket.create_connection(("127.0.0.1", front.port), timeout=10)
            with contextlib.suppress(OSError):
                link.sendall(kinds[number % len(kinds)])
            link.setblocking(False)
            self.links[link] = kinds[number % len(kinds)]

    def watch(self, front: Front, *, within_s: float) -> list[int]:
        """Wait until all of them are closed; statuses of honest calls that were made meanwhile, one every 20 ms."""
        begun, statuses = time.monotonic(), []
        with selectors.DefaultSelector() as selector:
            for link in self.links:
                selector.register(link, selectors.EVENT_READ, link)
            while selector.get_map() and time.monotonic() - begun < within_s:
                for key, _ in selector.select(0.02):
                    link = key.data
                    if _is_over(link):
                        selector.unregister(link)
                        link.close()
                        self.closed_after_s.append(time.monotonic() - begun)
                statuses.append(call(front))
            for key in list(selector.get_map().values()):
                selector.unregister(key.fileobj)
        for link in self.links:
            link.close()
        return statuses


def _is_over(link: socket.socket) -> bool:
    try:
        return link.recv(65536) == b""
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


def flood(front: Front, count: int) -> None:
    before = resident_bytes(front.pid)
    crowd = Crowd()
    crowd.connect(front, count)
    statuses = crowd.watch(front, within_s=30)
    assert len(crowd.closed_after_s) == count
    assert max(crowd.closed_after_s) < max(HEADER_S, BODY_S) + SLACK_S + count / 500
    assert set(statuses) == {200}
    assert resident_bytes(front.pid) - before < 32 * MIB + count * 16_384


def test_f26_five_hundred_at_once(slow_front: Front) -> None:
    flood(slow_front, MANY)


@pytest.mark.soak
def test_f26_five_thousand_at_once(slow_front: Front) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    flood(slow_front, ALL)


def test_the_connection_serves_on_after_a_slow_but_good_request(slow_front: Front) -> None:
    request = b"GET /up/plain HTTP/1.1\r\nHost: a\r\n" + slow_front.lines + b"\r\n"
    assert say(slow_front.port, request + request, piece=20).statuses == [200, 200]
