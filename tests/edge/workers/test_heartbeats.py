"""Heartbeats of idle workers: answered in the turn that reads them, and they mean what they always meant."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from taskgate.edge.workers.session import WorkerSession
from taskgate.wire import messages as m
from tests.edge.workers.doors import Doors
from tests.edge.workers.test_websocket import DEMO, hear, raw


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[m.WorkerMessage]:
    """What a session took on the long way."""
    found: list[m.WorkerMessage] = []
    real = WorkerSession.receive

    def receive(session: WorkerSession, messages: Sequence[m.WorkerMessage]) -> None:
        found.extend(messages)
        real(session, messages)

    monkeypatch.setattr(WorkerSession, "receive", receive)
    return found


async def test_a_heartbeat_goes_the_short_way_and_counts(doors: Doors, heard: list[m.WorkerMessage]) -> None:
    worker = await doors.dial("websocket")
    await worker.hello()
    holder = doors.server.gateway.fleet.find("w1")
    assert holder is not None
    before = holder.last_heartbeat_at
    for number in range(20):
        await worker.wire.say(m.Heartbeat(nonce=f"n{number}", load=m.Load(cpu=0.25, memory=0.5)))
        assert (await worker.until(m.HeartbeatAck)).nonce == f"n{number}"
    assert holder.last_heartbeat_at > before
    (view,) = await doors.server.gateway.fleet.workers(None)
    assert view.load == {"cpu": 0.25, "memory": 0.5}
    # one that meets the writer at work goes the long way
    assert len([message for message in heard if type(message) is m.Heartbeat]) < 10
    await worker.wire.close()


async def test_a_simple_client_gets_one_object(doors: Doors, heard: list[m.WorkerMessage]) -> None:
    socket = await raw(doors, "demo-1")
    await socket.send_json(DEMO)
    await hear(socket, "welcome")
    for number in range(20):
        await socket.send_json({"type": "heartbeat", "nonce": f"n{number}", "worker_id": "demo-1"})
        assert (await hear(socket, "heartbeat_ack"))["nonce"] == f"n{number}"
    assert len([message for message in heard if type(message) is m.Heartbeat]) < 10
    await socket.close()


async def test_inv_f4_a_heartbeat_with_leases_is_answered_twice(doors: Doors) -> None:
    """At once, and again when they are renewed."""
    worker = await doors.dial("websocket")
    await worker.hello()
    await doors.submit()
    task = await worker.begin()
    receipt = m.Receipt(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token)
    await worker.wire.say(m.Heartbeat(nonce="held", held=[receipt]))
    assert (await worker.until(m.HeartbeatAck)).renewed == []
    renewed = (await worker.until(m.HeartbeatAck)).renewed
    assert [found.run_id for found in renewed] == [task.run_id]
    await worker.wire.close()


@pytest.mark.parametrize(
    ("heartbeat", "code"),
    [
        (b'{"type":"heartbeat","worker_id":"another"}', 4403),
        (b'{"type":"heartbeat","nonce":7}', 1002),
        (b'{"type":"heartbeat","held":[{"run_id":"r"}]}', 1002),
    ],
)
async def test_f24_a_heartbeat_that_breaks_the_rules_ends_its_link(doors: Doors, heartbeat: bytes, code: int) -> None:
    socket = await raw(doors, "demo-1")
    await socket.send_json(DEMO)
    await hear(socket, "welcome")
    await socket.send_str(heartbeat.decode())
    while not socket.closed:
        await socket.receive(timeout=20)
    assert socket.close_code == code


async def test_a_heartbeat_before_hello_is_refused(doors: Doors) -> None:
    socket = await raw(doors, "demo-1")
    await socket.send_json({"type": "heartbeat"})
    (told,) = await socket.receive_json(timeout=20)
    assert told["code"] == "UNEXPECTED_MESSAGE"
    while not socket.closed:
        await socket.receive(timeout=20)
    assert socket.close_code == 1002
