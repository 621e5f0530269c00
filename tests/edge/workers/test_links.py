"""A worker's link through either door: the same life, the same refusals (INV-F1, F2, F20, S36)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskgate.errors import Unavailable
from taskgate.runs.run import Outcome, Status
from taskgate.wire import messages as m
from tests.edge.workers.doors import Doors, receipt_of, result_of

ABORTED, DENIED, INVALID, UNAVAILABLE = 10, 7, 3, 14


async def test_a_run_goes_through(doors: Doors, door: str) -> None:
    worker = await doors.dial(door)
    welcome = await worker.hello()
    assert welcome.lost == []
    run_id = await doors.submit(n=7)
    task = await worker.begin()
    assert (task.run_id, bytes(task.payload), task.tenant) == (run_id, b'{"n": 7}', {"site_id": "acme"})
    lines = [m.LogLine(seq=seq, text=f"line {seq}", at=1.0) for seq in (1, 2, 3)]
    await worker.wire.say(
        m.Log(run_id=run_id, attempt=1, lease_token=task.lease_token, stream="stdout", lines=lines),
        m.Progress(run_id=run_id, attempt=1, lease_token=task.lease_token, seq=1, fraction=0.5, text="half"),
        result_of(task, {"n": 7}),
    )
    ack = await worker.until(m.Ack)
    assert ack.verdict == "applied"
    durable = {(await worker.until(m.LogAck)).stream for _ in range(2)}
    assert durable == {"stdout", "progress"}
    run = await doors.run(run_id)
    assert (run.status, run.output, run.tries) == (Status.SUCCEEDED, b'{"n":7}', 1)
    entries = await doors.server.gateway.journal.read(run_id, 0, limit=100)
    assert [entry.text for entry in entries if entry.kind == "log"] == ["line 1", "line 2", "line 3"]
    await worker.wire.close()


async def test_f20_the_same_result_again_is_replayed_and_another_is_stale(doors: Doors, door: str) -> None:
    worker = await doors.dial(door)
    await worker.hello()
    run_id = await doors.submit()
    task = await worker.begin()
    assert (await worker.finish(task, {"n": 1})).verdict == "applied"
    assert (await worker.finish(task, {"n": 1})).verdict == "replayed"
    assert (await worker.finish(task, {"n": 2})).verdict == "stale"
    assert (await doors.run(run_id)).output == b'{"n":1}'
    await worker.wire.close()


async def test_inv_f1_a_forged_receipt_changes_nothing(doors: Doors, door: str) -> None:
    """S36: neither its accept, nor its lines, nor its result, and the honest holder goes on."""
    honest, thief = await doors.dial(door, "w1"), await doors.dial(door, "w2")
    await honest.hello("w1")
    run_id = await doors.submit()
    task = await honest.begin()
    await thief.hello("w2", credit=0)
    forged: dict[str, Any] = {"run_id": run_id, "attempt": 1, "lease_token": "guessed"}
    await thief.wire.say(
        m.Accept(**forged),
        m.Log(**forged, lines=[m.LogLine(seq=1, text="forged")]),
        m.TaskResult(**forged),
        m.Stopped(**forged),
    )
    assert (await thief.until(m.Cancel)).reason == "lost"
    assert (await thief.until(m.Ack)).verdict == "stale"
    assert (await doors.run(run_id)).status is Status.RUNNING
    await honest.wire.say(m.Heartbeat(nonce="1", held=[receipt_of(task)]))
    assert (await honest.until(m.HeartbeatAck, fits=lambda ack: bool(ack.renewed))).stop == []
    assert (await honest.finish(task, {"n": 1})).verdict == "applied"
    assert not [
        entry for entry in await doors.server.gateway.journal.read(run_id, 0, limit=9) if entry.text == "forged"
    ]
    await honest.wire.close()
    await thief.wire.close()


async def test_s36_a_hello_in_another_name_is_refused(doors: Doors, door: str) -> None:
    worker = await doors.dial(door, "w1")
    await worker.wire.say(m.Hello(worker_id="w2", versions=[1], capabilities=["demo.echo"]))
    assert await worker.wire.status() == DENIED
    assert doors.server.gateway.fleet.find("w2") is None


async def test_s36_a_worker_id_belongs_to_the_site_that_used_it_first(doors: Doors, door: str) -> None:
    first = await doors.dial(door)
    await first.hello()
    other = await doors.dial(door, key=await doors.house.key("worker", site="other"))
    await other.wire.say(m.Hello(worker_id="w1", versions=[1], capabilities=["demo.echo"]))
    assert (await other.until(m.Failure)).code == "WORKER_ID_TAKEN"
    assert await other.wire.status() == DENIED
    await doors.submit()
    await first.finish(await first.begin(), {})
    await first.wire.close()


async def test_s36_a_worker_id_stays_its_sites_when_it_is_away(doors: Doors, door: str) -> None:
    first = await doors.dial(door)
    await first.hello()
    await first.wire.close()
    await doors.until(lambda: doors.server.gateway.fleet.find("w1") is None)
    other = await doors.dial(door, key=await doors.house.key("worker", site="other"))
    await other.wire.say(m.Hello(worker_id="w1", versions=[1], capabilities=["demo.echo"]))
    assert await other.wire.status() == DENIED


async def test_inv_a1_a_worker_of_one_site_gets_no_work_of_another(doors: Doors, door: str) -> None:
    theirs = await doors.dial(door, "theirs", key=await doors.house.key("worker", site="other"))
    await theirs.hello("theirs")
    foreign = await doors.submit(site="acme")
    own = await doors.submit(site="other")
    assert (await theirs.begin()).run_id == own
    await asyncio.sleep(0.1)
    assert (await doors.run(foreign)).status is Status.QUEUED
    await theirs.wire.close()


async def test_a_second_connection_replaces_the_first(doors: Doors, door: str) -> None:
    first = await doors.dial(door)
    await first.hello()
    second = await doors.dial(door)
    await second.hello()
    assert await first.wire.status() == ABORTED
    await doors.submit()
    await second.begin()
    await second.wire.close()


async def test_a_cut_ends_nothing(doors: Doors, door: str) -> None:
    """The run goes on, is held again by the next hello, and its result counts."""
    first = await doors.dial(door)
    await first.hello()
    run_id = await doors.submit()
    task = await first.begin()
    await first.wire.close()
    second = await doors.dial(door)
    welcome = await second.hello(held=[receipt_of(task)])
    assert welcome.lost == []
    assert (await second.finish(task, {"n": 1})).verdict == "applied"
    run = await doors.run(run_id)
    assert (run.attempt, run.tries) == (1, 1)
    await second.wire.close()


async def test_f2_another_instance_means_that_the_older_process_is_dead(doors: Doors, door: str) -> None:
    """What it held is released at once, not after the lease."""
    first = await doors.dial(door)
    await first.hello(instance="i1")
    run_id = await doors.submit()
    old = await first.begin()
    await first.wire.close()
    second = await doors.dial(door)
    await second.hello(instance="i2")
    task = await second.begin()
    assert (task.run_id, task.attempt) == (run_id, 2)
    assert (await second.finish(old, {"n": 0})).verdict == "stale"
    assert (await second.finish(task, {"n": 1})).verdict == "applied"
    run = await doors.run(run_id)
    assert [attempt.outcome for attempt in run.attempts] == [Outcome.WORKER_LOST]
    assert run.current is not None
    assert run.current.outcome is Outcome.SUCCEEDED
    await second.wire.close()


async def test_what_is_held_and_lost_is_told_at_the_welcome(doors: Doors, door: str) -> None:
    worker = await doors.dial(door)
    ghost = m.Receipt(run_id="0199f3a2-0000-7000-8000-000000000000", attempt=1, lease_token="t")
    assert (await worker.hello(held=[ghost])).lost == [ghost]
    await worker.wire.close()


async def test_bye_releases_what_is_held(doors: Doors, door: str) -> None:
    worker = await doors.dial(door)
    await worker.hello()
    run_id = await doors.submit()
    await worker.begin()
    await worker.wire.say(m.Bye(reason="crashed"))
    assert await worker.wire.status() == 0
    run = await doors.run(run_id)
    assert (run.status in (Status.QUEUED, Status.SCHEDULED), run.attempt) == (True, 1)


async def test_cancel_reaches_the_worker_and_its_answer_is_kept(doors: Doors, door: str) -> None:
    worker = await doors.dial(door)
    await worker.hello()
    run_id = await doors.submit()
    task = await worker.begin()
    key = await doors.house.key("submit", "read")
    assert (await doors.house.ask("POST", f"/v1/runs/{run_id}/cancel", key=key)).status == 200
    assert (await worker.until(m.Cancel)).run_id == run_id
    await worker.wire.say(m.Stopped(run_id=run_id, attempt=1, lease_token=task.lease_token))
    assert (await doors.run_when(run_id, lambda run: run.stopped_at is not None)).stopped_at
    assert (await worker.finish(task, {"n": 1})).verdict == "stale"
    assert (await doors.run(run_id)).status is Status.CANCELLED
    await worker.wire.close()


async def test_a_run_that_its_worker_gave_up_goes_on_at_once(doors: Doors, door: str) -> None:
    """A worker that fenced itself and came back in time says so; nobody waits for the lease to end."""
    worker = await doors.dial(door)
    await worker.hello()
    run_id = await doors.submit()
    task = await worker.begin()
    other = await doors.dial(door, "w2")
    await other.hello("w2")
    await worker.wire.say(m.Stopped(run_id=run_id, attempt=1, lease_token=task.lease_token))
    again = await other.begin()
    assert (again.run_id, again.attempt) == (run_id, 2)
    assert (await other.finish(again, {})).verdict == "applied"
    await worker.wire.close()
    await other.wire.close()


async def test_a_refused_offer_goes_to_the_next(doors: Doors, door: str) -> None:
    worker = await doors.dial(door)
    await worker.hello(credit=1)
    run_id = await doors.submit()
    task: m.Task = await worker.until(m.Task)
    other = await doors.dial(door, "w2")
    await other.hello("w2")
    await worker.wire.say(m.Refuse(run_id=run_id, attempt=1, lease_token=task.lease_token, reason="draining"))
    assert (await other.begin()).attempt == 2
    run = await doors.run(run_id)
    assert run.tries <= 1
    await worker.wire.close()
    await other.wire.close()


async def test_a_heartbeat_is_answered_on_its_stream_with_what_is_left(doors: Doors, door: str) -> None:
    """INV-F4: a lease that needs no renewal yet is confirmed all the same."""
    worker = await doors.dial(door)
    await worker.hello()
    await doors.submit()
    task = await worker.begin()
    for nonce in ("a", "b"):
        await worker.wire.say(m.Heartbeat(nonce=nonce, held=[receipt_of(task)], load=m.Load(cpu=0.25)))
        assert (await worker.until(m.HeartbeatAck)).nonce == nonce
        renewed = await worker.until(m.HeartbeatAck, fits=lambda ack: bool(ack.renewed))
        assert renewed.renewed[0].run_id == task.run_id
        assert 28.0 < renewed.renewed[0].left_s <= 30.0
        await asyncio.sleep(0.1)
    holder = doors.server.gateway.fleet.find("w1")
    assert holder is not None
    assert holder.load.cpu == 0.25
    await worker.wire.close()


@pytest.mark.parametrize(
    "message",
    [m.Ready(credit=1), m.Bye(), m.TaskResult(run_id="r", attempt=1, lease_token="t"), m.Heartbeat(nonce="1")],
)
async def test_nothing_comes_before_hello(doors: Doors, door: str, message: m.WorkerMessage) -> None:
    worker = await doors.dial(door)
    await worker.wire.say(message)
    assert await worker.wire.status() == INVALID


async def test_a_store_that_is_away_closes_the_link_and_acknowledges_nothing(
    doors: Doors, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await doors.dial(door)
    await worker.hello()
    run_id = await doors.submit()
    task = await worker.begin()
    reports = doors.server.gateway.worker_rooms.reports

    async def away(_: object) -> list[m.Ack]:
        raise Unavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(type(reports), "results", lambda self, results, *_, **__: away(results))
        await worker.wire.say(result_of(task, {"n": 1}))
        assert await worker.wire.status() == UNAVAILABLE
    assert not [message for message in worker.heard if isinstance(message, m.Ack)]
    again = await doors.dial(door)
    await again.hello(held=[receipt_of(task)])
    assert (await again.finish(task, {"n": 1})).verdict == "applied"
    assert (await doors.run(run_id)).tries == 1
    await again.wire.close()


async def test_a_restarting_gateway_asks_its_workers_to_come_back(doors: Doors, door: str) -> None:
    worker = await doors.dial(door)
    await worker.hello()
    doors.server.stop()
    assert (await worker.until(m.Drain)).reconnect
    assert await worker.wire.status() == UNAVAILABLE
    doors.server._stop.clear()  # the fixture stops it once more
