"""The public worker plane as somebody sees it who has the .proto file alone: every call, and what each refuses.

Each test is named after what must never come back: forged names, receipts that settle nothing or somebody else's
orders, lines that are acknowledged and lost, orders that are lost with a caller (S36, INV-A4, INV-L1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from taskgate.events import WorkerLeft
from taskgate.runs.run import Status
from tests.edge.http.house import ECHO
from tests.edge.workers.doors import Doors, open_doors
from tests.edge.workers.stranger import SERVICE, Contract, Stranger

DENIED = grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return Contract(tmp_path_factory.mktemp("contract"))


@pytest.fixture
def stranger(doors: Doors, contract: Contract) -> Stranger:
    return Stranger(contract, doors.channel, doors.worker_key)


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    trailers: dict[str, Any] = dict(refused.value.trailing_metadata() or ())
    return refused.value.code(), str(trailers.get("error-code", ""))


async def registered(stranger: Stranger, **more: Any) -> Any:
    offers = [stranger.contract.TaskOffer(name=ECHO.name)]
    fields: dict[str, Any] = {"instance": "i1", "versions": [1], "slots": 4, "tasks": offers}
    return await stranger.call("Register", **fields | more)


async def cancelled(doors: Doors, run_id: str) -> None:
    key = await doors.house.key("submit", "read")
    assert (await doors.house.ask("POST", f"/v1/runs/{run_id}/cancel", key=key)).status == 200


async def texts(doors: Doors, run_id: str) -> list[str]:
    page = await doors.server.gateway.journal.read(run_id, after=0, limit=1000)
    return [entry.text for entry in page if entry.kind == "log"]


# ---------------------------------------------------------------- register and poll


async def test_a_registered_worker_polls_without_saying_again_what_it_can_do(doors: Doors, stranger: Stranger) -> None:
    welcome = await registered(stranger)
    assert (welcome.worker_id, welcome.heartbeat_s > 0, dict(welcome.refused)) == ("s1", True, {})
    run_id = await doors.submit(n=7)
    task = await stranger.take()
    assert (task.run_id, task.payload) == (run_id, b'{"n": 7}')
    result = stranger.contract.TaskResult(
        run_id=run_id, attempt=task.attempt, lease_token=task.lease_token, result=b'{"n":70}'
    )
    assert (await stranger.call("Report", result=result)).verdict == "applied"
    assert (await stranger.call("Report", result=result)).verdict == "replayed"
    run = await doors.run(run_id)
    assert (run.status, run.output, run.tries) == (Status.SUCCEEDED, b'{"n":70}', 1)


async def test_who_is_not_registered_is_told_to(doors: Doors, stranger: Stranger) -> None:
    for method in ("Poll", "PollControl", "AckControl"):
        assert await refusal(stranger.call(method)) == (grpc.StatusCode.NOT_FOUND, "NOT_REGISTERED")


async def test_a_schema_that_clashes_is_refused_by_name(doors: Doors, stranger: Stranger) -> None:
    offer = stranger.contract.TaskOffer(name=ECHO.name, version=ECHO.version, input_schema=b'{"type":"array"}')
    assert ECHO.name in (await registered(stranger, tasks=[offer])).refused


async def test_a_worker_that_comes_back_with_another_process_gives_up_what_it_does_not_name(
    doors: Doors, stranger: Stranger
) -> None:
    await registered(stranger)
    run_id = await doors.submit()
    await stranger.take()
    await registered(stranger, instance="i2")
    assert (await stranger.take()).attempt == 2
    assert (await doors.run(run_id)).attempt == 2


async def test_streams_and_polls_and_simple_clients_work_side_by_side(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    streaming = await doors.dial("grpc", "w1")
    await streaming.hello("w1", credit=1)
    simple = Stranger(stranger.contract, doors.channel, doors.worker_key, "s2")
    polls = [asyncio.create_task(one.take(capabilities=[ECHO.name])) for one in (stranger, simple)]
    ids = {await doors.submit(n=n) for n in range(3)}
    assert {(await streaming.begin()).run_id} | {(await poll).run_id for poll in polls} == ids


async def test_s36_a_name_of_another_site_or_key_is_refused_everywhere(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    await doors.submit()
    task = await stranger.take()
    thief = Stranger(stranger.contract, doors.channel, await doors.house.key("worker", "serve:*", name="thief"))
    receipt, result = (
        stranger.receipt(task),
        stranger.contract.TaskResult(
            run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token, result=b"1"
        ),
    )
    beat = stranger.contract.Heartbeat(held=[receipt])
    for call in (
        thief.call("Register", tasks=[stranger.contract.TaskOffer(name=ECHO.name)]),
        thief.call("Poll", capabilities=[ECHO.name]),
        thief.call("Heartbeat", heartbeat=beat),
        thief.call("Report", result=result),
        thief.call("PollControl"),
        thief.call("AckControl", receipt_id="x"),
        thief.append([thief.log(task, "forged")]),
    ):
        assert (await refusal(call))[0] is DENIED
    for call in (
        thief.call("Heartbeat", heartbeat=beat, worker_id="s9"),
        thief.call("Report", result=result, worker_id="s9"),
    ):
        assert await refusal(call) == (DENIED, "WRONG_WORKER")
    assert (await doors.run(task.run_id)).status is Status.RUNNING
    assert await texts(doors, task.run_id) == []


# ---------------------------------------------------------------- heartbeat


async def test_a_heartbeat_renews_and_says_what_is_lost(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    await doors.submit()
    held = stranger.receipt(await stranger.take())
    ghost = stranger.contract.Receipt(run_id=held.run_id, attempt=9, lease_token="x")
    beat = stranger.contract.Heartbeat(nonce="n1", held=[held, ghost])
    ack = await stranger.call("Heartbeat", heartbeat=beat)
    assert (ack.nonce, [r.run_id for r in ack.renewed], [r.attempt for r in ack.stop]) == ("n1", [held.run_id], [9])
    assert 20.0 < ack.renewed[0].left_s <= 30.0


async def test_a_heartbeat_brings_a_dead_stream_no_life(doors: Doors, stranger: Stranger) -> None:
    worker = await doors.dial("grpc", "s1")
    await worker.hello("s1")
    seated = doors.server.gateway.fleet.find("s1")
    assert seated is not None
    heard_at = seated.last_heartbeat_at
    await stranger.call("Heartbeat", heartbeat=stranger.contract.Heartbeat(nonce="n"))
    assert seated.last_heartbeat_at == heard_at
    assert await refusal(stranger.call("PollControl")) == (grpc.StatusCode.ABORTED, "CONNECTED")


async def test_leases_of_a_gateway_that_forgot_them_are_taken_up(doors: Doors, stranger: Stranger) -> None:
    """As after a restart, or at another gateway: the book knows."""
    await registered(stranger)
    await doors.submit()
    task = await stranger.take()
    leases = doors.server.gateway.moves.leases
    known = leases.of_run(task.run_id)
    assert known is not None
    leases.drop(known)
    ack = await stranger.call("Heartbeat", heartbeat=stranger.contract.Heartbeat(held=[stranger.receipt(task)]))
    assert [receipt.run_id for receipt in ack.renewed] == [task.run_id]
    assert [ack.seq for ack in (await stranger.append([stranger.log(task, "a")])).durable] == [1]


# ---------------------------------------------------------------- log lines


async def test_inv_l1_lines_are_durable_when_they_are_acknowledged_and_there_once(
    doors: Doors, stranger: Stranger
) -> None:
    await registered(stranger)
    run_id = await doors.submit()
    task = await stranger.take()
    first, second = stranger.log(task, "a", "b"), stranger.log(task, "c", first=3)
    answer = await stranger.append([first, second])
    assert [(ack.stream, ack.seq) for ack in answer.durable] == [("stdout", 3)]
    assert await texts(doors, run_id) == ["a", "b", "c"]
    answer = await stranger.append([first, second, stranger.log(task, "d", first=4)], named=True)
    assert [ack.seq for ack in answer.durable] == [4]
    assert await texts(doors, run_id) == ["a", "b", "c", "d"]


async def test_lines_of_a_lost_lease_are_dropped_and_said_so(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    lost, kept = [await doors.submit(n=n) for n in range(2)]
    tasks = {task.run_id: task for task in [await stranger.take() for _ in range(2)]}
    await cancelled(doors, lost)
    answer = await stranger.append([stranger.log(tasks[lost], "x"), stranger.log(tasks[kept], "y")], named=True)
    assert ([ack.run_id for ack in answer.durable], [r.run_id for r in answer.stop]) == ([kept], [lost])
    call = stranger.append([stranger.log(tasks[lost], "x")], named=True)
    assert await refusal(call) == (grpc.StatusCode.ABORTED, "STALE_ATTEMPT")


async def test_lines_while_the_journal_is_away_are_not_acknowledged(
    doors: Doors, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from taskgate.errors import Unavailable

    await registered(stranger)
    await doors.submit()
    task = await stranger.take()

    async def away(_: Any) -> Any:
        raise Unavailable("the journal is away")

    monkeypatch.setattr(doors.server.gateway.journal, "append", away)
    assert (await refusal(stranger.append([stranger.log(task, "a")])))[0] is grpc.StatusCode.UNAVAILABLE
    monkeypatch.undo()
    assert [ack.seq for ack in (await stranger.append([stranger.log(task, "a")])).durable] == [1]


async def test_lines_that_jump_are_refused(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    await doors.submit()
    task = await stranger.take()
    jumping = stranger.contract.Log()
    jumping.CopyFrom(stranger.log(task, "a", "b"))
    jumping.lines[1].seq = 9
    assert await refusal(stranger.append([jumping])) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_LOG")


# ---------------------------------------------------------------- orders


async def test_a_cancel_comes_again_until_it_is_acknowledged(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    run_id = await doors.submit()
    await stranger.take()
    waiting = asyncio.create_task(stranger.call("PollControl", wait_s=15.0))
    await asyncio.sleep(0.05)
    await cancelled(doors, run_id)
    orders = [await waiting, await stranger.call("PollControl"), await stranger.call("PollControl")]
    assert {order.cancel.run_id for order in orders} == {run_id}
    assert len({order.receipt_id for order in orders}) == 1
    for _ in range(2):  # to repeat it is safe
        await stranger.call("AckControl", receipt_id=orders[0].receipt_id)
    assert (await stranger.call("PollControl", wait_s=0.05)).receipt_id == ""


async def test_s36_a_foreign_receipt_is_refused_and_settles_nothing(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    other = Stranger(stranger.contract, doors.channel, doors.worker_key, "s2")
    await registered(other)
    run_id = await doors.submit()
    await stranger.take()
    await cancelled(doors, run_id)
    order = await stranger.call("PollControl")
    for receipt_id in (order.receipt_id, "task:stream|0-1", ""):
        assert await refusal(other.call("AckControl", receipt_id=receipt_id)) == (DENIED, "FOREIGN_RECEIPT")
    assert (await stranger.call("PollControl")).receipt_id == order.receipt_id


async def test_a_drain_reaches_polling_workers_by_every_way(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    waiting = asyncio.create_task(stranger.call("Poll", wait_s=15.0))
    await doors.until(lambda: (seated := doors.server.gateway.fleet.find("s1")) is not None and seated.free > 0)
    await doors.server.gateway.fleet.drain("s1", site_id=None)
    assert (await waiting).HasField("drain")
    order = await stranger.call("PollControl")
    assert order.HasField("drain")
    await stranger.call("AckControl", receipt_id=order.receipt_id)
    run_id = await doors.submit()
    answer = await stranger.call("Poll", wait_s=0.1)
    assert (answer.HasField("drain"), list(answer.tasks)) == (True, [])
    assert (await doors.run(run_id)).attempt == 0


async def test_a_caller_that_goes_away_loses_no_order(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    run_id = await doors.submit()
    await stranger.take()
    waiting = asyncio.create_task(stranger.call("PollControl", wait_s=15.0))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await cancelled(doors, run_id)
    assert (await stranger.call("PollControl")).cancel.run_id == run_id


async def test_a_calls_own_deadline_is_honoured(doors: Doors, stranger: Stranger) -> None:
    """An answer that says "nothing" a second before the deadline, not a failure at it."""
    await registered(stranger)
    assert (await stranger.call("PollControl", timeout_s=3.0)).receipt_id == ""
    assert list((await stranger.call("Poll", timeout_s=3.0)).tasks) == []


# ---------------------------------------------------------------- rates, health


async def test_inv_r1_unary_calls_have_a_rate_by_credential(doors: Doors, stranger: Stranger) -> None:
    await registered(stranger)
    await stranger.call("Heartbeat")
    assert 0 < int(stranger.trailers["x-ratelimit-remaining"]) < 200
    codes: list[grpc.StatusCode] = []
    for _ in range(12):
        results = await asyncio.gather(*[stranger.call("Heartbeat") for _ in range(50)], return_exceptions=True)
        refused = [found for found in results if isinstance(found, grpc.aio.AioRpcError)]
        codes += [one.code() for one in refused]
        if refused:
            trailers: dict[str, Any] = dict(refused[0].trailing_metadata() or ())
            assert int(trailers["retry-after-ms"]) >= 0
            assert trailers["x-ratelimit-remaining"] == "0"
            break
    assert set(codes) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    other = Stranger(stranger.contract, doors.channel, await doors.house.key("worker"), "s2")
    await other.call("Heartbeat")


async def test_the_standard_health_checker_sees_serving_and_its_end(tmp_path: Path) -> None:
    async with open_doors(tmp_path) as doors, grpc.aio.insecure_channel(f"127.0.0.1:{doors.server.grpc_port}") as own:
        health = health_pb2_grpc.HealthStub(own)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        for service in ("", SERVICE):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
            await health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"))
        assert doors.server.grpc_door is not None
        ending = asyncio.create_task(doors.server.grpc_door.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        await ending


async def test_a_worker_that_calls_no_more_leaves(doors: Doors, stranger: Stranger) -> None:
    left: list[str] = []
    doors.server.gateway.bus.subscribe(WorkerLeft, lambda event: left.append(event.worker_id))
    await registered(stranger)
    seated = doors.server.gateway.fleet.find("s1")
    assert seated is not None
    seated.last_heartbeat_at -= 1000.0
    await doors.until(lambda: left == ["s1"])
