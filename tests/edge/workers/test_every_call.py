"""INV-A1, S36 at every method of the proto: another site's worker, with the owner's good receipts in its hands.

A method that is not known here fails until it is. The owner's lease is known to the gateway, or forgotten as at
another one; the stranger speaks in its own name and in the owner's.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import msgspec
import pytest
from google.protobuf.message import Message

from taskgate.runs.run import Status
from taskgate.wire import gateway_pb2 as pb
from taskgate.wire import messages as m
from tests.edge.workers.doors import Doors, Worker
from tests.edge.workers.test_grpc import METHODS, failure, poll
from tests.edge.workers.test_receipts import forgotten

MARK = "globexmark"
REFUSED = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.ABORTED, grpc.StatusCode.NOT_FOUND)
LOST: dict[str, Any] = {
    "Poll": pb.PollResponse,
    "Heartbeat": pb.HeartbeatAck,
}  # these say of a lease that it is not the caller's


def requests(task: pb.Task, name: str) -> dict[str, Message]:
    """One request of each unary method, in that worker's name."""
    receipt = pb.Receipt(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token)
    lease: dict[str, Any] = {"run_id": task.run_id, "attempt": task.attempt, "lease_token": task.lease_token}
    result = pb.TaskResult(**lease, result=b'"stolen"')
    lines = [pb.LogLine(seq=1, text="forged")]
    return {
        "Register": pb.Hello(worker_id=name, instance="i1", versions=[1], capabilities=["demo.echo"], held=[receipt]),
        "Poll": pb.PollRequest(worker_id=name, capabilities=["demo.echo"], held=[receipt], wait_s=0.0),
        "Report": pb.ReportRequest(worker_id=name, result=result),
        "Heartbeat": pb.HeartbeatRequest(worker_id=name, heartbeat=pb.Heartbeat(held=[receipt])),
        "PollControl": pb.PollControlRequest(worker_id=name, wait_s=0.0),
        "AckControl": pb.AckControlRequest(worker_id=name, receipt_id="x"),
        "AppendLogs": pb.Log(**lease, stream="stdout", lines=lines),
    }


@pytest.mark.parametrize("name", ["w1", "p9"])
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("method", METHODS)
async def test_a_stranger_gets_nowhere(doors: Doors, method: str, is_known: bool, name: str) -> None:
    key = await doors.house.key("submit", "read", site="globex")
    body = {"input": {"n": 1}, "labels": {"of": MARK}}
    run_id = str((await doors.house.ask("POST", "/v1/tasks/demo.echo/runs", body, key=key)).told["id"])
    doors.worker_key = await doors.house.key("worker", site="globex", name="owner")
    (task,) = (await poll(doors, "w1")).tasks
    assert task.run_id == run_id
    if not is_known:
        forgotten(doors, run_id)
    stranger = await doors.house.key("worker", site="acme", name="stranger")
    metadata = [("x-api-key", stranger), *([("x-worker-id", name)] if method == "AppendLogs" else [])]
    if method == "Connect":
        await _connects(doors, task, name=name, key=stranger)
    elif name == "p9" and (method == "Register" or (method in LOST and not is_known)):
        answer = await doors.call(method, requests(task, name)[method].SerializeToString(), metadata=metadata)
        assert MARK.encode() not in answer
        assert method == "Register" or [lost.run_id for lost in LOST[method].FromString(answer).stop] == [run_id]
    else:
        error = await failure(doors.call(method, requests(task, name)[method].SerializeToString(), metadata=metadata))
        assert error.code() in REFUSED
        assert MARK not in f"{error.details()} {error.trailing_metadata()}"
    run = await doors.run(run_id)
    assert (run.status, run.attempt, run.lease and run.lease.token) == (Status.RUNNING, 1, task.lease_token)
    assert [
        entry.text for entry in await doors.server.gateway.journal.read(run_id, 0, limit=99) if entry.kind == "log"
    ] == []
    own = pb.ReportRequest(worker_id="w1", result=pb.TaskResult(
        run_id=run_id, attempt=1, lease_token=task.lease_token, result=b'{"n":1}'))  # fmt: skip
    assert pb.Ack.FromString(await doors.call("Report", own.SerializeToString())).verdict == "applied"


async def _connects(doors: Doors, task: pb.Task, *, name: str, key: str) -> None:
    """The link: its hello names the receipt, then it reports on it."""
    receipt = m.Receipt(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token)
    worker: Worker = await doors.dial("grpc", name, key=key)
    hello = m.Hello(worker_id=name, instance="i2", versions=[1], capabilities=["demo.echo"], held=[receipt])
    await worker.wire.say(hello)
    if name == "w1":
        async with asyncio.timeout(20):
            assert await worker.wire.status() == grpc.StatusCode.PERMISSION_DENIED.value[0]
        return
    welcome: m.Welcome = await worker.until(m.Welcome)
    assert [lost.run_id for lost in welcome.lost] == [task.run_id]
    lease: dict[str, Any] = {"run_id": task.run_id, "attempt": task.attempt, "lease_token": task.lease_token}
    await worker.wire.say(m.TaskResult(**lease, result=msgspec.Raw(b'"stolen"')))
    assert (await worker.until(m.Ack)).verdict == "stale"
    await worker.wire.close()


def test_every_method_of_the_proto_is_tried() -> None:
    assert set(requests(pb.Task(), "x")) | {"Connect"} == set(METHODS)
