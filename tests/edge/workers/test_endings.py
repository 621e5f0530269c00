"""How a worker's connection ends, whatever is away at that moment (INV-A5, INV-T1, F12, F30)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from taskgate.errors import Unavailable
from taskgate.runs.run import Status
from taskgate.wire import messages as m
from tests.edge.http.house import ECHO
from tests.edge.workers.doors import Doors, result_of
from tests.edge.workers.test_grpc import poll

UNAVAILABLE, UNAUTHENTICATED = 14, 16


def break_once(monkeypatch: pytest.MonkeyPatch, port: Any, verb: str, *, count: int = 1) -> None:
    real, left = getattr(port, verb), [count]

    async def fails(*args: Any, **options: Any) -> Any:
        if left[0] > 0:
            left[0] -= 1
            raise Unavailable("away")
        return await real(*args, **options)

    monkeypatch.setattr(port, verb, fails)


@pytest.mark.parametrize("verb", ["save", "gone"])
async def test_f12_nobody_stays_seated_when_the_roster_is_away(
    doors: Doors, door: str, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hello that could not be finished leaves no ghost under its name that keeps other keys out."""
    gateway = doors.server.gateway
    break_once(monkeypatch, gateway.stores.roster, verb)
    worker = await doors.dial(door)
    if verb == "save":
        await worker.wire.say(m.Hello(worker_id="w1", instance="i1", versions=[1], capabilities=[ECHO.name]))
        assert await worker.wire.status() == UNAVAILABLE
    else:
        await worker.hello()
        await worker.wire.say(m.Bye(reason="done"))
        assert await worker.wire.status() == 0
    await doors.until(lambda: len(gateway.fleet) == 0)
    other = await doors.house.key("worker", "serve:*", name="another")
    fresh = await doors.dial(door, key=other)
    await fresh.hello()
    await fresh.wire.close()


async def test_inv_a5_a_revoked_key_cuts_its_workers_and_frees_what_they_hold(doors: Doors, door: str) -> None:
    gateway = doors.server.gateway
    key = await doors.house.key("worker", "serve:*", name="to be revoked")
    worker = await doors.dial(door, key=key)
    await worker.hello()
    run_id = await doors.submit()
    await worker.begin()
    await gateway.keys.revoke(None, key.split("_")[1])
    assert await worker.wire.status() == UNAUTHENTICATED
    other = await doors.dial(door, "w2")
    await other.hello("w2")
    task = await other.begin()
    assert (task.run_id, task.attempt) == (run_id, 2)
    assert (await other.finish(task, {"n": 1})).verdict == "applied"
    await other.wire.close()


async def test_inv_t1_what_was_said_before_the_end_counts(
    doors: Doors, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result and a goodbye that come while the session still works on something else are not dropped."""
    gateway = doors.server.gateway
    worker = await doors.dial(door)
    await worker.hello()
    first, second, third = [await doors.submit(n=n) for n in range(3)]
    tasks = {task.run_id: task for task in [await worker.begin() for _ in range(3)]}
    go, busy = asyncio.Event(), asyncio.Event()
    real = gateway.stores.ledger.apply

    async def slow(moves: Any, **more: Any) -> Any:
        busy.set()
        await go.wait()
        return await real(moves, **more)

    monkeypatch.setattr(gateway.stores.ledger, "apply", slow)
    await worker.wire.say(result_of(tasks[first], {"n": 1}))
    await busy.wait()
    await worker.wire.say(result_of(tasks[second], {"n": 2}), m.Bye(reason="leaving"))
    if door == "websocket":
        await worker.wire.socket.close()  # type: ignore[attr-defined]
    else:
        await worker.wire.call.done_writing()  # type: ignore[attr-defined]
    await asyncio.sleep(0.05)  # the frames have crossed the loopback; only the store holds the session up
    go.set()
    for run_id in (first, second):
        ended = await doors.run_when(run_id, lambda run: not run.is_open)
        assert ended.status is Status.SUCCEEDED
    freed = await doors.run_when(third, lambda run: run.status is Status.QUEUED)
    assert freed.status is Status.QUEUED
    await worker.wire.close()


async def test_a_rotated_key_is_the_workers_key_from_then_on(doors: Doors, door: str) -> None:
    worker = await doors.dial(door)
    await worker.hello()
    fresh = await doors.house.key("worker", "serve:*", name="rotated")
    await worker.wire.say(m.Credential(token=fresh))
    seated = doors.server.gateway.fleet.find("w1")
    assert seated is not None
    await doors.until(lambda: seated.key_id == fresh.split("_")[1])
    again = await doors.dial(door, key=fresh)
    await again.hello()
    await again.wire.close()
    await worker.wire.close()


async def test_a_simple_client_that_comes_back_still_hands_in_its_result(doors: Doors) -> None:
    """It knows no attempt and no token; its lease runs on, so what it finished while it was away counts."""
    hello = m.Hello(worker_id="w1", capabilities=[ECHO.name])
    first = await doors.dial("websocket")
    await first.wire.say(hello)
    await first.until(m.Welcome)
    run_id = await doors.submit()
    task = await first.until(m.Task)
    await first.wire.close()
    await doors.until(lambda: len(doors.server.gateway.fleet) == 0)
    again = await doors.dial("websocket")
    await again.wire.say(hello)
    await again.until(m.Welcome)
    await again.wire.say(m.TaskResult(run_id=task.run_id, result=msgspec.Raw(b'{"n":1}')))
    assert (await again.until(m.Ack)).verdict == "applied"
    assert (await doors.run(run_id)).status is Status.SUCCEEDED
    await again.wire.close()


async def test_inv_f1_a_simple_client_cannot_end_what_another_holds(doors: Doors) -> None:
    first = await doors.dial("websocket")
    await first.wire.say(m.Hello(worker_id="w1", capabilities=[ECHO.name]))
    await first.until(m.Welcome)
    run_id = await doors.submit()
    await first.until(m.Task)
    thief = await doors.dial("websocket", "w2")
    await thief.wire.say(m.Hello(worker_id="w2", capabilities=[ECHO.name]))
    await thief.until(m.Welcome)
    await thief.wire.say(m.TaskResult(run_id=run_id, result=msgspec.Raw(b'{"n":1}')))
    assert (await thief.until(m.Failure)).code == "STALE_ATTEMPT"
    assert (await doors.run(run_id)).status is Status.RUNNING
    await first.wire.close()
    await thief.wire.close()


async def test_a_polling_worker_that_drops_a_cancelled_run_is_free_of_it(doors: Doors) -> None:
    """A poller never says `stopped`: what it no longer names is no longer there, and nothing is kept for it."""
    gateway = doors.server.gateway
    run_id = await doors.submit()
    found = await poll(doors)
    assert [task.run_id for task in found.tasks] == [run_id]
    key = await doors.house.key("submit", "read")
    assert (await doors.house.ask("POST", f"/v1/runs/{run_id}/cancel", key=key)).status == 200
    seated = gateway.fleet.find("p1")
    assert seated is not None
    assert seated.held == {run_id: 1}
    await poll(doors, wait_s=0.05)
    assert seated.held == {}
    assert seated.seat.cancelled == {}  # type: ignore[attr-defined]
