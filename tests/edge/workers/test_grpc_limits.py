"""What one connection or one address may cost at the gRPC door (S28): counted by the door, refused cheaply."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc

from taskgate.edge.grpc.peers import Peers
from taskgate.errors import Limited
from taskgate.testing.clock import ManualClock
from tests.edge.workers.doors import Doors, open_doors
from tests.edge.workers.test_grpc import failure, poll, trailer

POLL = "/taskgate.v1.GatewayService/Poll"


async def given_up(doors: Doors) -> None:
    """A call that is ended before its message was said."""
    call: Any = doors.channel.stream_stream(POLL)(metadata=[("x-api-key", doors.worker_key)])
    await call.wait_for_connection()
    call.cancel()


async def test_a_connection_over_its_budget_of_resets_is_refused(tmp_path: Path) -> None:
    async with open_doors(tmp_path, grpc={"resets_per_min": 20}) as doors:
        await poll(doors, wait_s=0.0)
        error = None
        async with asyncio.timeout(20.0):
            while error is None or trailer(error, "error-code") != "RESETS":
                await asyncio.gather(*[given_up(doors) for _ in range(10)])
                try:
                    await poll(doors, wait_s=0.0)
                except grpc.aio.AioRpcError as refusal:
                    error = refusal
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert int(str(trailer(error, "retry-after-ms"))) > 0
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{doors.server.grpc_port}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as other:
            await poll(Doors(doors.server, doors.session, other, worker_key=doors.worker_key), "p2", wait_s=0.0)


async def test_connections_of_one_address_are_bounded(tmp_path: Path) -> None:
    async with open_doors(tmp_path, grpc={"max_connections": 1}) as doors:
        worker = await doors.dial("grpc")
        await worker.hello()
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{doors.server.grpc_port}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as other:
            error = await failure(poll(Doors(doors.server, doors.session, other, worker_key=doors.worker_key), "p2"))
        assert trailer(error, "error-code") == "CONNECTIONS"
        await worker.wire.close()


def test_budgets_come_back_and_nothing_is_kept_of_who_has_left() -> None:
    clock = ManualClock()
    peers = Peers(clock, resets_per_min=2, connections=1)
    for _ in range(2):
        peers.given_up("a:1", peers.begin("a:1", "a"))
        peers.end("a:1", "a")
    refused = 0
    try:
        peers.begin("a:1", "a")
    except Limited as error:
        refused = 1
        clock.advance(error.retry_after_s + 0.001)
    assert refused == 1
    began_at = peers.begin("a:1", "a")
    clock.advance(2.0)
    peers.given_up("a:1", began_at)  # no reset: it had its time
    peers.end("a:1", "a")
    peers.begin("a:2", "a")
    peers.end("a:2", "a")
