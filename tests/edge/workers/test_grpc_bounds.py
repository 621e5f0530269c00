"""Bounds of the gRPC door, from both sides of each: calls, messages, connections, waits; what a failure says (S28)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import nan
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from taskgate.edge.gate import Gate
from taskgate.edge.grpc import owning
from taskgate.edge.grpc.admission import Admission, Call, Context
from taskgate.edge.grpc.peers import EARLY_S, Peers
from taskgate.edge.grpc.polling import LONGEST_S, MOST_OFFERS
from taskgate.edge.grpc.rates import CallRates
from taskgate.edge.grpc.reading import wait_of
from taskgate.edge.grpc.server import GrpcDoor, options
from taskgate.edge.settings import GrpcSettings
from taskgate.errors import InvalidInput, Limited, Unavailable
from taskgate.identity.principal import Principal
from taskgate.limits.bucket import Rate
from taskgate.testing.clock import ManualClock
from taskgate.wire import gateway_pb2 as pb
from taskgate.worker.grpc import OPTIONS as WORKER_OPTIONS
from tests.edge.workers.doors import Doors, open_doors
from tests.edge.workers.test_grpc import failure, poll, trailer

WORKER = Principal(id="k-worker", name="w", scopes=frozenset({"worker"}), site_id="acme")
METHOD = "/x.Service/Call"


# ---------------------------------------------------------------- what one call brings


async def beat(doors: Doors, count: int) -> pb.HeartbeatAck:
    held = [pb.Receipt(run_id=f"r{number}", attempt=1, lease_token="t") for number in range(count)]
    request = pb.HeartbeatRequest(worker_id="p1", heartbeat=pb.Heartbeat(held=held))
    return pb.HeartbeatAck.FromString(await doors.call("Heartbeat", request.SerializeToString()))


async def test_a_call_names_at_most_so_many_runs(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owning, "MOST_HELD", 5)
    assert len((await beat(doors, 5)).stop) == 5
    error = await failure(beat(doors, 6))
    assert (error.code(), trailer(error, "error-code")) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_HELD")


async def test_s36_a_heartbeat_of_another_inside_ones_own_is_refused(doors: Doors) -> None:
    request = pb.HeartbeatRequest(worker_id="p1", heartbeat=pb.Heartbeat(worker_id="p2"))
    error = await failure(doors.call("Heartbeat", request.SerializeToString()))
    assert (error.code(), trailer(error, "error-code")) == (grpc.StatusCode.PERMISSION_DENIED, "WRONG_WORKER")


@pytest.mark.parametrize(("over", "code"), [(0, "NOT_REGISTERED"), (1, "FRAME_TOO_LARGE")])
async def test_a_message_is_as_large_as_the_limit_and_no_larger(doors: Doors, over: int, code: str) -> None:
    """Refused by name, and below the library's own bound, which has no name."""
    size = doors.server.gateway.worker_rooms.link.max_frame_bytes + over
    body = pb.PollControlRequest(worker_id="p1").SerializeToString()
    rest = size - len(body) - 4  # an unknown field: one byte of tag, three of length
    length = bytes([rest & 127 | 128, rest >> 7 & 127 | 128, rest >> 14])
    body += b"\x7a" + length + bytes(rest)
    assert len(body) == size
    assert trailer(await failure(doors.call("PollControl", body)), "error-code") == code


async def test_a_poll_asks_for_no_more_than_fits(doors: Doors) -> None:
    waiting = asyncio.create_task(poll(doors, max_offers=1_000_000))
    fleet = doors.server.gateway.fleet
    await doors.until(lambda: (seated := fleet.find("p1")) is not None and seated.credit > 0)
    seated = fleet.find("p1")
    assert seated is not None
    assert seated.credit == seated.slots == MOST_OFFERS
    waiting.cancel()


async def test_a_heartbeats_load_is_kept_and_it_keeps_its_worker(doors: Doors) -> None:
    await poll(doors, wait_s=0.0)
    seated = doors.server.gateway.fleet.find("p1")
    assert seated is not None
    seated.last_heartbeat_at -= 20.0
    before = seated.last_heartbeat_at
    request = pb.HeartbeatRequest(worker_id="p1", heartbeat=pb.Heartbeat(load=pb.Load(running=3)))
    await doors.call("Heartbeat", request.SerializeToString())
    assert seated.last_heartbeat_at > before + 10.0
    assert seated.load is not None
    assert seated.load.running == 3


@pytest.mark.parametrize(
    ("asked_s", "left_s", "is_s"),
    [
        (None, None, LONGEST_S),
        (1000.0, None, LONGEST_S),
        (3.0, None, 3.0),
        (None, 10.0, 9.0),
        (30.0, 10.0, 9.0),
        (0.0, 10.0, 0.0),
        (5.0, 0.5, 0.0),
        (-5.0, None, 0.0),
    ],
)
def test_a_wait_ends_before_its_call_does(asked_s: float | None, left_s: float | None, is_s: float) -> None:
    context = cast("Context", SimpleNamespace(time_remaining=lambda: left_s))
    assert wait_of(context, wait_s=asked_s, longest_s=LONGEST_S) == is_s


def test_a_wait_that_is_no_number_is_refused() -> None:
    """No timer is ever set to it: it would spoil the order of all others."""
    context = cast("Context", SimpleNamespace(time_remaining=lambda: 10.0))
    with pytest.raises(InvalidInput):
        wait_of(context, wait_s=nan, longest_s=LONGEST_S)


# ---------------------------------------------------------------- connections and rates


def test_connections_are_counted_by_address_up_to_the_bound_and_given_back() -> None:
    peers = Peers(ManualClock(), resets_per_min=10, connections=2)
    for peer in ("a:1", "a:2", "a:2"):
        peers.begin(peer, "a")
    with pytest.raises(Limited) as refused:
        peers.begin("a:3", "a")
    assert refused.value.code == "CONNECTIONS"
    peers.begin("b:1", "b")
    peers.end("a:2", "a")
    with pytest.raises(Limited):
        peers.begin("a:3", "a")
    peers.end("a:2", "a")
    peers.begin("a:3", "a")


def test_resets_are_counted_by_connection_and_only_early_ones() -> None:
    clock = ManualClock()
    peers = Peers(clock, resets_per_min=2, connections=9)
    for _ in range(5):
        began_at = peers.begin("a:1", "a")
        clock.advance(EARLY_S)
        peers.given_up("a:1", began_at)
        peers.end("a:1", "a")
    for _ in range(2):
        peers.given_up("a:1", peers.begin("a:1", "a"))
        peers.end("a:1", "a")
    with pytest.raises(Limited) as refused:
        peers.begin("a:1", "a")
    assert (refused.value.code, refused.value.retry_after_s > 0) == ("RESETS", True)
    peers.begin("a:2", "a")


async def test_inv_r1_each_credential_has_its_own_rate_and_hears_what_is_left() -> None:
    clock = ManualClock()
    rates = CallRates(clock, Rate(rate=2.0, burst=3.0))
    assert [await rates.take("one") for _ in range(3)] == [2, 1, 0]
    with pytest.raises(Limited) as refused:
        await rates.take("one")
    assert (refused.value.code, abs(refused.value.retry_after_s - 0.5) < 1e-6) == ("RATE_LIMITED", True)
    assert await rates.take("two") == 2
    clock.advance(0.5)
    assert await rates.take("one") == 0
    assert await CallRates(clock, None).take("one") is None


async def test_a_rate_that_is_off_counts_nothing(tmp_path: Path) -> None:
    limits = {"rate_limit_enabled": False, "rate_limit_capacity": 1, "rate_limit_rate": 0.001}
    async with open_doors(tmp_path, grpc=limits) as doors:
        for _ in range(3):
            await poll(doors, wait_s=0.0)
    async with open_doors(tmp_path / "on", grpc={**limits, "rate_limit_enabled": True}) as doors:
        await poll(doors, wait_s=0.0)
        error = await failure(poll(doors, wait_s=0.0))
        assert trailer(error, "error-code") == "RATE_LIMITED"


# ---------------------------------------------------------------- how a call ends


@asynccontextmanager
async def served(call: Call, *, deadline_s: float = 30.0) -> AsyncIterator[Any]:
    """A method of our making behind the door's admission; everybody is a worker."""

    async def admit(*_: Any, **__: Any) -> Principal:
        return WORKER

    clock = ManualClock()
    gate = cast("Gate", SimpleNamespace(admit=admit))
    peers = Peers(clock, resets_per_min=100, connections=10)
    admission = Admission(gate, peers=peers, rates=CallRates(clock, None))
    server = grpc.aio.server()
    methods = {"Call": admission.guarded(call, deadline_s=deadline_s)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x.Service", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.unary_unary(METHOD)
        assert (peers._calls, peers._open) == ({}, {})
    await server.stop(None)


async def test_what_fails_inside_is_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def call(_: Principal, __: Context) -> None:
        raise RuntimeError("/srv/secret is full")

    async with served(call) as ask:
        error = await failure(ask(b"", timeout=20))
    assert "secret" not in f"{error.details()} {error.trailing_metadata()}"
    assert "secret" in caplog.text


async def test_an_errors_text_is_printable_and_short() -> None:
    async def call(_: Principal, __: Context) -> None:
        raise InvalidInput("a\r\nx-forged: 1\x00" + "y" * 5000)

    async with served(call) as ask:
        error = await failure(ask(b"", timeout=20))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.details() or "").startswith("a??x-forged: 1?y")
    assert len(error.details() or "") == 500


async def test_a_call_without_a_limit_of_its_own_ends_all_the_same() -> None:
    ended = asyncio.Event()

    async def call(_: Principal, __: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with served(call, deadline_s=0.1) as ask:
        error = await failure(asyncio.wait_for(ask(b""), 20))
        await asyncio.wait_for(ended.wait(), 20)
    assert (error.code(), trailer(error, "error-code")) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE")


async def test_a_client_without_a_version_in_common_is_told(doors: Doors) -> None:
    hello = pb.Hello(worker_id="p1", instance="i1", versions=[99], capabilities=["demo.echo"])
    error = await failure(doors.call("Register", hello.SerializeToString()))
    assert trailer(error, "error-code") == "VERSION_UNSUPPORTED"
    assert doors.server.gateway.fleet.find("p1") is None


# ---------------------------------------------------------------- the listening side


def test_the_library_is_told_bounds_that_workers_live_within() -> None:
    """Pings through NAT come as often as our own worker sends them, also while nothing else is said."""
    told, worker = dict(options(1 << 20, idle_s=60.0)), dict(WORKER_OPTIONS)
    assert 2 * told["grpc.http2.min_recv_ping_interval_without_data_ms"] <= worker["grpc.keepalive_time_ms"]
    assert told["grpc.http2.min_recv_ping_interval_without_data_ms"] >= 1000
    assert (told["grpc.keepalive_permit_without_calls"], told["grpc.http2.max_pings_without_data"]) == (1, 0)
    assert told["grpc.keepalive_time_ms"] + told["grpc.keepalive_timeout_ms"] <= 120_000
    assert told["grpc.max_send_message_length"] == told["grpc.max_receive_message_length"] > 1 << 20
    assert told["grpc.server_handshake_timeout_ms"] <= 10_000
    assert dict(options(1 << 20, idle_s=2.0))["grpc.server_handshake_timeout_ms"] == 2000
    assert told["grpc.so_reuseport"] == 0


async def test_a_second_gateway_at_one_address_does_not_start(doors: Doors) -> None:
    door = doors.server.grpc_door
    assert door is not None
    rooms = doors.server.gateway.worker_rooms
    gate = cast("Gate", SimpleNamespace())
    with pytest.raises(Unavailable) as refused:
        await GrpcDoor(rooms, GrpcSettings(port=doors.server.grpc_port or 0), gate=gate).start()
    assert refused.value.code == "ADDRESS_IN_USE"


async def test_an_address_of_ipv6_is_listened_on(doors: Doors) -> None:
    rooms = doors.server.gateway.worker_rooms
    door = GrpcDoor(rooms, GrpcSettings(host="::1", port=0), gate=cast("Gate", SimpleNamespace()))
    port = await door.start()
    async with grpc.aio.insecure_channel(f"[::1]:{port}") as channel:
        health: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert await health(b"", timeout=20)
    await door.stop()
    await door.stop()
