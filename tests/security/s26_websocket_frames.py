"""S26: frames that break the protocol end the socket with the right code, at our own doors and at a service behind us.

Through a tunnel the gateway carries bytes and judges none: what the service says about them must reach the caller.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from benchmarks.usage import resident_bytes
from tests.security.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Said, Socket, close, frame
from tests.system.cluster import GatewayProcess, free_port
from tests.system.proxy.fronts import register
from tests.system.proxy.servers import ServerProcess, running
from tests.system.proxy.streams import stream_server

pytestmark = [pytest.mark.security, pytest.mark.system]

MIB = 1 << 20
HELLO = b'{"type":"hello","worker_id":"w","capabilities":["x"],"labels":{},"slots":1}'
BROKEN = {
    "unmasked": (frame(TEXT, b"{}", masked=False), {1002}),
    "reserved bit 1": (frame(TEXT, b"{}", bits=0x40), {1002}),
    "reserved bit 2": (frame(TEXT, b"{}", bits=0x20), {1002}),
    "reserved bit 3": (frame(TEXT, b"{}", bits=0x10), {1002}),
    **{f"opcode {code}": (frame(code, b"x"), {1002}) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "long ping": (frame(PING, b"x" * 126), {1002}),
    "ping in fragments": (frame(PING, b"x", fin=False), {1002}),
    "long close": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), {1002}),
    "close of one byte": (frame(CLOSE, b"\x03"), {1002}),
    **{f"close {code}": (close(code), {1002}) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)},
    "close with bad text": (close(1000, b"\xff\xfe"), {1002, 1007}),
    "bad text": (frame(TEXT, b"\xff\xfe"), {1007}),
    "surrogate": (frame(TEXT, b"\xed\xa0\x80"), {1007}),
    "overlong": (frame(TEXT, b"\xc0\xaf"), {1007}),
    "bad text in fragments": (frame(TEXT, b"\xce", fin=False) + frame(CONT, b"\xff"), {1007}),
    "cut letter at the end": (frame(TEXT, b"\xce"), {1007}),
    "nothing to continue": (frame(CONT, b"x"), {1002}),
    "text inside a text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), {1002}),
    "17 MiB": (frame(TEXT, b"", length=17 * MIB) + b"x" * 65536, {1009}),
    "length of 2^63": (frame(BINARY, b"", length=1 << 63), {1002, 1009}),
    "length of 2^62": (frame(BINARY, b"", length=1 << 62), {1009, 1002}),
    "17 MiB in fragments": (
        frame(TEXT, b"x" * MIB, fin=False) + frame(CONT, b"x" * MIB, fin=False) * 16, {1009}
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path_factory.mktemp("frames") / "data")
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def sockets(gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A WebSocket service that echoes, registered as /ws-service."""
    server = stream_server(tmp_path_factory.mktemp("sockets"), port=free_port())
    with running(server):
        register(gateway, "ws-service", server.port)
        yield server


def own_door(gateway: GatewayProcess, name: str) -> Socket:
    worker = "w" + str(abs(hash(name)))
    made = Socket(gateway.port, f"/ws/workers/{worker}", lines=f"X-API-Key: {gateway.worker_key}\r\n".encode())
    assert made.status == 101, made.head
    made.send(frame(TEXT, HELLO.replace(b'"w"', f'"{worker}"'.encode())))
    made.hear(count=1)
    return made


def tunnelled(gateway: GatewayProcess, *, behind: bytes = b"") -> Socket:
    lines = f"X-API-Key: {gateway.admin_key}\r\n".encode()
    made = Socket(gateway.port, "/ws-service/echo", lines=lines, behind=behind)
    assert made.status == 101, made.head
    return made


def verdict(made: Socket, sent: bytes, *, within_s: float = 8.0) -> Said:
    made.send(sent)
    said = made.hear(within_s)
    made.shut()
    return said


@pytest.mark.parametrize("name", BROKEN)
def test_our_own_door(gateway: GatewayProcess, name: str) -> None:
    sent, codes = BROKEN[name]
    said = verdict(own_door(gateway, name), sent)
    assert said.is_closed
    assert said.close_code in codes


@pytest.mark.parametrize("name", BROKEN)
def test_through_a_tunnel(gateway: GatewayProcess, sockets: ServerProcess, name: str) -> None:
    """The caller hears exactly what it would hear from the service itself."""
    sent, codes = BROKEN[name]
    direct, through = (
        verdict(made, sent, within_s=1.0) for made in (Socket(sockets.port, "/echo"), tunnelled(gateway))
    )
    assert through.is_closed == direct.is_closed
    if len(sent) > MIB:  # what the service says may be lost in the reset behind it
        assert through.close_code in {0, *codes}
    else:
        assert (through.close_code, through.frames) == (direct.close_code, direct.frames)


def test_good_frames_pass_a_tunnel(gateway: GatewayProcess, sockets: ServerProcess) -> None:
    """The first comes in the segment of the handshake, and pings are answered between fragments."""
    made = tunnelled(gateway, behind=frame(TEXT, b"early"))
    made.send(frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONT, b"b") + frame(BINARY, bytes(range(256))))
    said = made.hear(count=4)
    assert sorted(said.frames) == sorted([(TEXT, b"early"), (PONG, b"p"), (TEXT, b"ab"), (BINARY, bytes(range(256)))])
    made.send(close(1000))
    assert made.hear().close_code == 1000
    made.shut()


def test_a_hundred_thousand_fragments_cost_little(gateway: GatewayProcess) -> None:
    before = resident_bytes(gateway.pid)
    made = own_door(gateway, "fragments")
    made.send(frame(TEXT, b" ", fin=False) + (bytes([CONT, 0x81]) + bytes(4) + b" ") * 100_000)
    made.send(frame(PING, b"alive"))
    said = made.hear(within_s=10, count=1)
    made.shut()
    assert (PONG, b"alive") in said.frames or said.close_code in (1009, 1008)
    assert resident_bytes(gateway.pid) - before < 32 * MIB


def test_a_flood_of_pings_disturbs_nobody(gateway: GatewayProcess) -> None:
    flood, other = own_door(gateway, "pings"), own_door(gateway, "other")
    before = resident_bytes(gateway.pid)
    flood.link.settimeout(2)
    with contextlib.suppress(TimeoutError):
        flood.send((bytes([0x80 | PING, 0x80]) + bytes(4)) * 50_000)
    other.send(frame(PING, b"here"))
    assert (PONG, b"here") in other.hear(within_s=10, count=1).frames
    flood.shut()
    other.shut()
    assert resident_bytes(gateway.pid) - before < 64 * MIB


@pytest.mark.parametrize("path", ["/ws/workers/w1", "/ws-service/echo"])
def test_nothing_is_said_before_a_credential(gateway: GatewayProcess, sockets: ServerProcess, path: str) -> None:
    made = Socket(gateway.port, path, behind=frame(TEXT, HELLO))
    assert made.status == 401
    assert b"websocket" not in made.head.lower()
    made.shut()
