"""S36, INV-F1: a receipt is good for the worker that holds the run, at whichever gateway and by whichever call it is
shown; in the hands of another it renews nothing, ends nothing and takes nothing over."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from taskgate.runs.run import Status
from taskgate.wire import gateway_pb2 as pb
from taskgate.wire import messages as m
from tests.edge.workers.doors import Doors, Worker, open_doors, receipt_of, result_of
from tests.edge.workers.test_grpc import failure, trailer

FOREIGN = pytest.mark.parametrize("site", ["acme", "other"])
KNOWN = pytest.mark.parametrize("is_known", [True, False], ids=["known here", "unknown here"])


async def taken(doors: Doors, door: str) -> tuple[Worker, m.Task]:
    """A run of acme that w1 has begun."""
    worker = await doors.dial(door)
    await worker.hello()
    run_id = await doors.submit()
    task = await worker.begin()
    assert task.run_id == run_id
    await doors.run_when(run_id, lambda run: run.lease is not None and run.lease.accepted)
    return worker, task


def forgotten(doors: Doors, run_id: str) -> None:
    """As at another gateway, or after a restart."""
    leases = doors.server.gateway.moves.leases
    held = leases.of_run(run_id)
    assert held is not None
    leases.drop(held)


@FOREIGN
@KNOWN
async def test_a_hello_takes_over_no_run_of_another(doors: Doors, door: str, site: str, is_known: bool) -> None:
    owner, task = await taken(doors, door)
    if not is_known:
        forgotten(doors, task.run_id)
    thief = await doors.dial(door, "w2", key=await doors.house.key("worker", site=site, name="thief"))
    welcome = await thief.hello("w2", credit=0, held=[receipt_of(task)])
    assert [receipt.run_id for receipt in welcome.lost] == [task.run_id]
    await thief.wire.say(result_of(task, "stolen"))
    assert (await thief.until(m.Ack)).verdict == "stale"
    assert (await doors.run(task.run_id)).status is Status.RUNNING
    assert (await owner.finish(task, "mine")).verdict == "applied"
    assert (await owner.finish(task, "mine")).verdict == "replayed"
    assert (await doors.run(task.run_id)).output == b'"mine"'


@FOREIGN
@pytest.mark.parametrize("call", ["Heartbeat", "Poll", "Report"])
async def test_a_lease_unknown_here_is_taken_up_by_its_worker_alone(tmp_path: Path, site: str, call: str) -> None:
    async with open_doors(tmp_path) as doors:
        owner, task = await taken(doors, "grpc")
        forgotten(doors, task.run_id)
        held = [pb.Receipt(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token)]
        key = await doors.house.key("worker", site=site, name="thief")
        metadata = [("x-api-key", key)]
        if call == "Heartbeat":
            beat = pb.HeartbeatRequest(worker_id="w2", heartbeat=pb.Heartbeat(held=held))
            ack = pb.HeartbeatAck.FromString(await doors.call(call, beat.SerializeToString(), metadata=metadata))
            assert ([r.run_id for r in ack.stop], list(ack.renewed)) == ([task.run_id], [])
        elif call == "Poll":
            ask = pb.PollRequest(worker_id="w2", capabilities=["demo.echo"], held=held, wait_s=0.0)
            found = pb.PollResponse.FromString(await doors.call(call, ask.SerializeToString(), metadata=metadata))
            assert ([r.run_id for r in found.stop], list(found.renewed)) == ([task.run_id], [])
        else:
            result = pb.TaskResult(
                run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token, result=b'"stolen"'
            )
            told = pb.ReportRequest(worker_id="w2", result=result).SerializeToString()
            error = await failure(doors.call(call, told, metadata=metadata))
            assert (error.code(), trailer(error, "error-code")) == (grpc.StatusCode.ABORTED, "STALE_ATTEMPT")
        assert (await doors.run(task.run_id)).status is Status.RUNNING
        assert (await owner.finish(task, "mine")).verdict == "applied"
