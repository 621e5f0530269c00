"""S28 at the gRPC door: whatever one connection does, others are answered, and the door has bounds of its own.

Frames are written by hand against a real gateway process; a probe of its own asks for health all the while. The bound
of a probe is generous, because machines stall: what is told apart is served from not served.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from tests.security import http2 as h2
from tests.system.cluster import GatewayProcess

pytestmark = [pytest.mark.security, pytest.mark.system]

POLL = "/taskgate.v1.GatewayService/Poll"
CONNECT = "/taskgate.v1.GatewayService/Connect"
PROBE_S = 5.0
MEMORY_BYTES = 200 << 20  # more than this is an attack that got through


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path_factory.mktemp("gate") / "data", grpc=True)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def port(gateway: GatewayProcess) -> int:
    assert gateway.grpc_port is not None
    return gateway.grpc_port


class Probe:
    """Somebody else's calls during an attack; `slowest_s` of those that were answered, `failed` of the others."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.slowest_s = 0.0
        self.failed: list[str] = []
        self.count = 0

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        assert self.count > 0
        assert (self.failed, self.slowest_s < PROBE_S) == ([], True)

    def _ask(self) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{self._port}", options=[("grpc.use_local_subchannel_pool", 1)]) as own:
            health = health_pb2_grpc.HealthStub(own)
            while not (self._ended.is_set() and self.count):
                began = time.monotonic()
                try:
                    health.Check(health_pb2.HealthCheckRequest(), timeout=2 * PROBE_S)
                except grpc.RpcError as error:
                    self.failed.append(str(error))
                    return
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.count += 1
                self._ended.wait(0.01)


def memory(gateway: GatewayProcess) -> int:
    with open(f"/proc/{gateway.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(gateway: GatewayProcess) -> int:
    return len(os.listdir(f"/proc/{gateway.pid}/fd"))


def resets(line: h2.Line) -> None:
    """CVE-2023-44487: calls begun and given up, as fast as they can be written."""
    block = h2.call(POLL, ("x-api-key", "tg_wrong_wrong"))
    for start in range(0, 10_000, 100):
        calls = [
            h2.frame(h2.HEADERS, flags=h2.END_HEADERS, stream=n * 2 + 1, body=block)
            + h2.frame(h2.RST_STREAM, stream=n * 2 + 1, body=struct.pack("!I", 8))
            for n in range(start, start + 100)
        ]
        if not line.say(b"".join(calls)):
            return


def continuations(line: h2.Line) -> None:
    """CVE-2024-27316 and its kin: a header block that never ends."""
    line.say(h2.frame(h2.HEADERS, stream=1, body=h2.call(POLL)))
    piece = h2.frame(h2.CONTINUATION, stream=1, body=h2.literal(b"x", b"y" * 16_000))
    for _ in range(2_000):
        if not line.say(piece):
            return


def settings(line: h2.Line) -> None:
    for _ in range(200):
        if not line.say(h2.frame(h2.SETTINGS) * 500):
            return


def pings(line: h2.Line) -> None:
    for _ in range(200):
        if not line.say(h2.frame(h2.PING, body=bytes(8)) * 500):
            return


def bomb(line: h2.Line) -> None:
    """A header of 4 KB into the table, then named ten thousand times."""
    big = h2.literal(b"bomb", b"b" * 3_900, first=0x40)
    for n in range(20):
        block = h2.call(POLL) + (big if n == 0 else b"") + h2.number(62, 7, 0x80) * 10_000
        if not line.say(h2.frame(h2.HEADERS, flags=h2.END_HEADERS, stream=2 * n + 1, body=block)):
            return


def unknown_methods(line: h2.Line) -> None:
    for n in range(5_000):
        block = h2.call(f"/taskgate.v1.GatewayService/No{n}")
        if not line.say(h2.frame(h2.HEADERS, flags=h2.END_HEADERS | h2.END_STREAM, stream=2 * n + 1, body=block)):
            return


ATTACKS: tuple[Callable[[h2.Line], None], ...] = (resets, continuations, settings, pings, bomb, unknown_methods)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_others_are_answered_during(gateway: GatewayProcess, port: int, attack: Callable[[h2.Line], None]) -> None:
    before, files = memory(gateway), open_files(gateway)
    with Probe(port):
        for _ in range(2):
            with h2.Line(port) as line:
                attack(line)
    assert memory(gateway) - before < MEMORY_BYTES
    until = time.monotonic() + h2.PATIENCE_S
    while open_files(gateway) > files + 2:
        assert time.monotonic() < until, "connections were leaked"
        time.sleep(0.05)
    assert gateway.is_alive()


def test_a_connection_that_floods_with_pings_is_ended(port: int) -> None:
    with h2.Line(port) as line:
        pings(line)
        assert line.is_ended()


def test_a_window_of_nothing_holds_nobody_up(gateway: GatewayProcess, port: int) -> None:
    """A caller that lets no answer through: SETTINGS_INITIAL_WINDOW_SIZE 0, a hundred calls left open."""
    with h2.Line(port, (4, 0)) as line, Probe(port):
        for n in range(100):
            block = h2.call(CONNECT, ("x-api-key", gateway.worker_key))
            line.say(h2.frame(h2.HEADERS, flags=h2.END_HEADERS, stream=2 * n + 1, body=block))


def test_metadata_of_17_kb_and_a_message_of_5_mib_are_refused(gateway: GatewayProcess, port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, Probe(port):
        call: Any = channel.unary_unary(POLL)
        key = ("x-api-key", gateway.worker_key)
        for metadata, request in (([key, ("x-filler", "x" * 17_000)], b""), ([key], b"\x0a" + b"x" * (5 << 20))):
            with pytest.raises(grpc.RpcError) as refused:
                call(request, metadata=metadata, timeout=h2.PATIENCE_S)
            assert refused.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL)


def test_no_more_than_a_hundred_streams_at_once_are_offered(port: int) -> None:
    with h2.Line(port) as line:
        body = next(body for kind, _, _, body in line.hear() if kind == h2.SETTINGS)
    told = dict(struct.iter_unpack("!HI", body))
    assert (told[3] <= 100, told[6] <= 16_384) == (True, True)


def test_reflection_is_off(port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for version in ("v1", "v1alpha"):
            ask: Any = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
            with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
                list(ask(iter([b""]), timeout=h2.PATIENCE_S))
