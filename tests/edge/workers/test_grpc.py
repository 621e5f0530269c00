"""The gRPC door by itself: who is let in, polling, reporting, health, bounds (INV-A4, S28)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]

from taskgate.edge.grpc.admission import address_of
from taskgate.runs.run import Status
from taskgate.secret import Url
from taskgate.stores.settings import DatabaseSettings
from taskgate.wire import gateway_pb2 as pb
from tests.edge.workers.doors import CONNECT, Doors, GrpcWire, open_doors

METHODS = [method.name for method in pb.DESCRIPTOR.services_by_name["GatewayService"].methods]
HEALTH = "/grpc.health.v1.Health/Check"


async def poll(doors: Doors, worker_id: str = "p1", *, wait_s: float = 10.0, **more: Any) -> pb.PollResponse:
    request = pb.PollRequest(worker_id=worker_id, capabilities=["demo.echo"], wait_s=wait_s, **more)
    return pb.PollResponse.FromString(await doors.call("Poll", request.SerializeToString()))


async def poll_control(doors: Doors, worker_id: str, *, wait_s: float) -> pb.PollControlResponse:
    request = pb.PollControlRequest(worker_id=worker_id, wait_s=wait_s)
    return pb.PollControlResponse.FromString(await doors.call("PollControl", request.SerializeToString()))


async def report(doors: Doors, task: pb.Task, *, worker_id: str = "p1", output: bytes = b"{}") -> pb.Ack:
    result = pb.TaskResult(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token, result=output)
    request = pb.ReportRequest(worker_id=worker_id, result=result)
    return pb.Ack.FromString(await doors.call("Report", request.SerializeToString()))


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call
    return refusal.value


def trailer(error: grpc.aio.AioRpcError, name: str) -> str | bytes | None:
    return next((value for key, value in error.trailing_metadata() or () if key == name), None)


# ---------------------------------------------------------------- who is let in


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "metadata", [[], [("x-api-key", "tg_wrong_wrong")], [("authorization", "Basic dzE6dzE=")], [("x-worker-id", "w1")]]
)
async def test_inv_a4_every_method_asks_for_a_credential_first(
    doors: Doors, method: str, metadata: list[tuple[str, str]]
) -> None:
    """Before a byte of the message is parsed: these bytes are no message at all."""
    error = await failure(doors.call(method, b"\xff\xff\xff\xff", metadata=metadata))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert trailer(error, "error-code") == "UNAUTHENTICATED"


@pytest.mark.parametrize("method", METHODS)
async def test_a_key_without_the_scope_is_forbidden(doors: Doors, method: str) -> None:
    key = await doors.house.key("submit", "read")
    error = await failure(doors.call(method, b"\xff", metadata=[("x-api-key", key)]))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_too_many_wrong_credentials_are_limited(doors: Doors) -> None:
    codes = set()
    for _ in range(30):
        error = await failure(doors.call("Poll", b"", metadata=[("x-api-key", "tg_wrong_wrong")]))
        codes.add(error.code())
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
            assert int(str(trailer(error, "retry-after-ms"))) >= 0
    assert codes == {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_health_is_open_to_everybody(doors: Doors) -> None:
    for name in ("", "taskgate.v1.GatewayService"):
        check: Any = doors.channel.unary_unary(HEALTH)
        answer = await check(health_pb2.HealthCheckRequest(service=name).SerializeToString())
        assert health_pb2.HealthCheckResponse.FromString(answer).status == health_pb2.HealthCheckResponse.SERVING


async def test_there_is_no_reflection(doors: Doors) -> None:
    ask: Any = doors.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    assert await ask().code() is grpc.StatusCode.UNIMPLEMENTED


def test_addresses_are_read_out_of_grpcs_spelling() -> None:
    assert address_of("ipv4:10.0.0.1:5555") == "10.0.0.1"
    assert address_of("ipv6:%5B2001:db8::1%5D:5555") == "2001:db8::1"
    assert address_of("ipv6:[::1]:5555") == "::1"
    assert address_of("unix:/tmp/x") == "unix:/tmp/x"


# ---------------------------------------------------------------- polling


async def test_a_poll_takes_what_waits_and_its_report_counts(doors: Doors) -> None:
    await poll(doors, wait_s=0.0)
    run_id = await doors.submit(n=5)
    found = await poll(doors)
    (task,) = found.tasks
    assert (task.run_id, task.payload, dict(task.tenant)) == (run_id, b'{"n": 5}', {"site_id": "acme"})
    assert (await report(doors, task, output=b'{"n":50}')).verdict == "applied"
    run = await doors.run(run_id)
    assert (run.status, run.output, run.tries) == (Status.SUCCEEDED, b'{"n":50}', 1)


async def test_a_poll_waits_for_the_first_run(doors: Doors) -> None:
    waiting = asyncio.create_task(poll(doors))
    await doors.until(lambda: doors.server.gateway.fleet.find("p1") is not None)
    run_id = await doors.submit()
    assert [task.run_id for task in (await waiting).tasks] == [run_id]


async def test_polls_that_wait_hold_no_connection_of_the_database(tmp_path: Path, postgres_url: str) -> None:
    """Eighty at a pool of four: in older systems two for each worker were the end of the pool at 25 workers."""
    database = DatabaseSettings(url=Url(postgres_url), pool_size=4)
    async with open_doors(tmp_path, database=database) as doors:
        fleet = doors.server.gateway.fleet
        tasks = [asyncio.create_task(poll(doors, f"p{number}", wait_s=30.0)) for number in range(40)]
        await doors.until(lambda: all(fleet.find(f"p{number}") is not None for number in range(40)))
        orders = [asyncio.create_task(poll_control(doors, f"p{number}", wait_s=30.0)) for number in range(40)]
        async with asyncio.timeout(10):
            run_ids = {await doors.submit(n=number) for number in range(3)}
            taken: set[str] = set()
            for answer in asyncio.as_completed(tasks):
                taken |= {task.run_id for task in (await answer).tasks}
                if taken == run_ids:
                    break
        for waiting in (*tasks, *orders):
            waiting.cancel()
        await asyncio.wait({*tasks, *orders})


async def test_a_poll_that_finds_nothing_is_empty(doors: Doors) -> None:
    assert await poll(doors, wait_s=0.05) == pb.PollResponse()


async def test_a_poll_takes_no_more_than_it_asked_for(doors: Doors) -> None:
    await poll(doors, wait_s=0.0)
    for _ in range(5):
        await doors.submit()
    await asyncio.sleep(0.05)
    assert len((await poll(doors, max_offers=2)).tasks) == 2
    assert len((await poll(doors)).tasks) == 1


async def test_nothing_is_given_to_a_worker_between_its_polls(doors: Doors) -> None:
    await poll(doors, wait_s=0.0)
    run_id = await doors.submit()
    await asyncio.sleep(0.1)
    assert (await doors.run(run_id)).attempt == 0


async def test_a_caller_that_hangs_up_is_given_nothing_more(doors: Doors) -> None:
    waiting = asyncio.create_task(poll(doors))
    await doors.until(lambda: (seated := doors.server.gateway.fleet.find("p1")) is not None and seated.free > 0)
    waiting.cancel()
    await doors.until(lambda: (seated := doors.server.gateway.fleet.find("p1")) is not None and seated.free <= 0)
    run_id = await doors.submit()
    await asyncio.sleep(0.1)
    assert (await doors.run(run_id)).attempt == 0
    assert [task.run_id for task in (await poll(doors)).tasks] == [run_id]


async def test_held_leases_are_renewed_by_polling(doors: Doors) -> None:
    await poll(doors, wait_s=0.0)
    await doors.submit()
    (task,) = (await poll(doors)).tasks
    held = pb.Receipt(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token)
    found = await poll(doors, wait_s=0.0, held=[held])
    assert [receipt.run_id for receipt in found.renewed] == [task.run_id]
    assert 28.0 < found.renewed[0].left_s <= 30.0
    ghost = pb.Receipt(run_id=task.run_id, attempt=9, lease_token="x")
    assert list((await poll(doors, held=[ghost])).stop) == [ghost]


async def test_a_cancel_ends_the_wait_of_its_holder(doors: Doors) -> None:
    await poll(doors, wait_s=0.0)
    run_id = await doors.submit()
    (task,) = (await poll(doors)).tasks
    held = pb.Receipt(run_id=run_id, attempt=1, lease_token=task.lease_token)
    waiting = asyncio.create_task(poll(doors, held=[held]))
    await asyncio.sleep(0.1)
    key = await doors.house.key("submit", "read")
    assert (await doors.house.ask("POST", f"/v1/runs/{run_id}/cancel", key=key)).status == 200
    assert [receipt.run_id for receipt in (await waiting).stop] == [run_id]
    error = await failure(report(doors, task))
    assert error.code() is grpc.StatusCode.ABORTED
    assert trailer(error, "error-code") == "STALE_ATTEMPT"


async def test_one_worker_polls_once_at_a_time(doors: Doors) -> None:
    first = asyncio.create_task(poll(doors, wait_s=5.0))
    await doors.until(lambda: doors.server.gateway.fleet.find("p1") is not None)
    error = await failure(poll(doors))
    assert trailer(error, "error-code") == "POLL_IN_FLIGHT"
    first.cancel()


async def test_a_worker_with_a_stream_does_not_poll(doors: Doors) -> None:
    worker = await doors.dial("grpc", "p1")
    await worker.hello("p1")
    assert trailer(await failure(poll(doors)), "error-code") == "CONNECTED"
    await worker.wire.close()


async def test_s36_a_name_belongs_to_its_key(doors: Doors) -> None:
    await poll(doors, wait_s=0.0)
    doors.worker_key = await doors.house.key("worker", "serve:*")
    assert (await failure(poll(doors))).code() is grpc.StatusCode.PERMISSION_DENIED


async def test_s36_a_result_of_another_workers_run_is_refused(doors: Doors) -> None:
    await poll(doors, wait_s=0.0)
    run_id = await doors.submit()
    (task,) = (await poll(doors)).tasks
    assert (await failure(report(doors, task, worker_id="p2"))).code() is grpc.StatusCode.PERMISSION_DENIED
    assert (await doors.run(run_id)).status is Status.RUNNING
    assert (await report(doors, task)).verdict == "applied"


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("method", ["Poll", "Report"])
@pytest.mark.parametrize("request_bytes", [b"\xff\xff", b""])
async def test_bad_requests_are_named(doors: Doors, method: str, request_bytes: bytes) -> None:
    error = await failure(doors.call(method, request_bytes))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in (error.details() or "")


async def test_a_result_that_is_no_json_is_refused(doors: Doors) -> None:
    task = pb.Task(run_id="r", attempt=1, lease_token="t")
    for output in (b"{", b"NaN", b'"\xff"', b"[" * 500_000):
        assert (await failure(report(doors, task, output=output))).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_s28_metadata_and_messages_have_bounds(doors: Doors) -> None:
    pairs = [("x-api-key", doors.worker_key)]
    big = await failure(doors.call("Poll", b"", metadata=[*pairs, ("x-filler", "x" * 17_000)]))
    assert big.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL)
    for size in ((1 << 20) + 1, 5 << 20):
        error = await failure(doors.call("Report", b"\x12" + b"x" * size))
        assert error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)
    await poll(doors, wait_s=0.0)


async def test_a_stream_of_garbage_is_refused_and_the_door_stays_open(doors: Doors) -> None:
    for frame in (b"\xff\xff", b"hello", pb.WorkerFrame(messages=[pb.WorkerMessage()]).SerializeToString()):
        call: Any = doors.channel.stream_stream(CONNECT)(metadata=[("x-api-key", doors.worker_key)])
        await call.write(frame)
        assert await GrpcWire(call).status() == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    await poll(doors, wait_s=0.0)
