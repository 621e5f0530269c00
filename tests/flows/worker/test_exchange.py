"""The worker's conversation with a gateway, over both transports, cut and mended."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from taskgate.errors import RemoteLinkError, Unauthenticated
from taskgate.wire import messages as m
from taskgate.worker.processes import row
from tests.flows.worker.conftest import NewRig
from tests.flows.worker.gateway import FakeGateway
from tests.flows.worker.rig import until

BOTH = pytest.mark.parametrize("transport", ["websocket", "grpc"])


def decoded(result: m.TaskResult | None) -> Any:
    assert result is not None
    return bytes(result.result)


@BOTH
async def test_a_run_from_hello_to_acknowledgement(gateway: FakeGateway, new_rig: NewRig, transport: str) -> None:
    rig = await new_rig(transport=transport)
    run_id = gateway.offer("talk", {"count": 2})
    await until(lambda: gateway.result_of(run_id))
    hello = gateway.hellos[0]
    assert (hello.worker_id, hello.versions, hello.held) == ("w1", [1], [])
    echo = next(task for task in hello.tasks if task.name == "echo")
    assert bytes(echo.input_schema or b"").startswith(b'{"type":"object"')
    assert gateway.accepts == [run_id]
    result = gateway.result_of(run_id)
    assert result is not None
    assert (result.status, result.lease_token, decoded(result)) == ("ok", "secret", b"null")
    said = {name.split("/")[1]: [line.text for line in lines] for name, lines in gateway.logs.items()}
    assert said["stdout"] == ["out 0", "out 1", r"no newline\xff bytes"]
    assert said["stderr"] == ["err 0", "err 1"]
    assert result.log_count == sum(map(len, said.values()))
    assert [(progress.seq, progress.fraction) for progress in gateway.progress] == [(1, 0.5)]
    await until(lambda: not rig.link.unsettled_count)


async def test_many_short_runs_arrive_once_each(gateway: FakeGateway, new_rig: NewRig) -> None:
    await new_rig()
    ids = [gateway.offer("echo", {"value": number}) for number in range(500)]
    await until(lambda: len(gateway.results) == 500)
    assert [result.run_id for result in gateway.results] == ids
    assert gateway.accepts == ids
    assert gateway.refusals == []


@BOTH
async def test_a_result_is_told_again_until_it_is_acknowledged(
    gateway: FakeGateway, new_rig: NewRig, transport: str
) -> None:
    """000.3 item 4: a result computed during a disconnect is not lost."""
    rig = await new_rig(transport=transport)
    gateway.acks_results = False
    run_id = gateway.offer("echo", {"value": 7})
    await until(lambda: gateway.result_of(run_id))
    gateway.cut()
    await until(lambda: len(gateway.results) == 2)
    assert [held.run_id for held in gateway.hellos[-1].held] == [run_id]
    assert rig.link.unsettled_count == 1
    gateway.acks_results = True
    gateway.cut()
    await until(lambda: not rig.link.unsettled_count)
    assert {decoded(result) for result in gateway.results} == {b"7"}


async def test_a_result_is_on_disk_before_it_leaves(gateway: FakeGateway, new_rig: NewRig, tmp_path: Path) -> None:
    file = tmp_path / "state" / "results"
    on_disk: list[bool] = []
    gateway.on_result = lambda result: on_disk.append(result.run_id.encode() in file.read_bytes())
    await new_rig()
    ids = [gateway.offer("echo", {"value": number}) for number in range(50)]
    await until(lambda: len(gateway.results) == len(ids))
    assert on_disk == [True] * len(ids)


async def test_what_was_not_acknowledged_survives_the_process(
    gateway: FakeGateway, new_rig: NewRig, tmp_path: Path
) -> None:
    rig = await new_rig()
    gateway.acks_results = False
    run_id = gateway.offer("echo", {"value": 7})
    await until(lambda: gateway.result_of(run_id))
    await rig.stop()
    assert (tmp_path / "state" / "results").stat().st_size > 0
    gateway.results.clear()
    gateway.acks_results = True
    again = await new_rig()
    await until(lambda: gateway.result_of(run_id))
    await until(lambda: not again.link.unsettled_count)
    again.spool.tidy()
    assert (tmp_path / "state" / "results").stat().st_size == 0


async def test_a_run_goes_on_over_a_cut(gateway: FakeGateway, new_rig: NewRig, tmp_path: Path) -> None:
    await new_rig()
    gate = tmp_path / "gate"
    run_id = gateway.offer("slow_talk", {"gate": str(gate)})
    await until(lambda: gateway.logs.get(f"{run_id}/stdout"))
    gateway.cut()
    await until(lambda: len(gateway.hellos) == 2)
    assert [held.run_id for held in gateway.hellos[-1].held] == [run_id]
    gate.touch()
    await until(lambda: gateway.result_of(run_id))
    assert [line.text for line in gateway.logs[f"{run_id}/stdout"]] == ["early", "late"]


@pytest.mark.parametrize("task", ["patient", "stubborn"])
async def test_a_cancelled_run_is_confirmed_when_it_has_gone(gateway: FakeGateway, new_rig: NewRig, task: str) -> None:
    await new_rig()
    run_id = gateway.offer(task)
    await until(lambda: run_id in gateway.accepts)
    gateway.say(m.Cancel(run_id=run_id, attempt=1))
    await until(lambda: run_id in gateway.stopped)
    assert gateway.result_of(run_id) is None
    after = gateway.offer("echo", {"value": 1})
    await until(lambda: gateway.result_of(after))


async def test_a_result_never_overtakes_its_words(gateway: FakeGateway, new_rig: NewRig) -> None:
    """More is said than the link keeps unacknowledged: the run ends, its result waits, nothing is lost (INV-L1)."""
    rig = await new_rig(max_log_bytes=8 << 20)
    gateway.acks_logs = False
    run_id = gateway.offer("flood", {"megabytes": 6})
    await until(lambda: not rig.pool.here and run_id in gateway.accepts)
    assert gateway.result_of(run_id) is None
    assert not rig.reports.outbox.is_empty
    gateway.acks_logs = True
    gateway.cut()
    await until(lambda: gateway.result_of(run_id))
    result = gateway.result_of(run_id)
    assert result is not None
    assert result.log_count == sum(len(lines) for lines in gateway.logs.values())
    assert gateway.logs[f"{run_id}/log"][0].text == "after the flood"


async def test_ten_words_of_progress_a_second_are_all_told_and_of_more_the_last(
    gateway: FakeGateway, new_rig: NewRig
) -> None:
    """What is held up for a moment comes in twos and loses nothing; a flood is thinned."""
    await new_rig()
    steady = gateway.offer("steps", {"count": 10, "together": 2, "pause_s": 0.2})
    await until(lambda: gateway.result_of(steady))
    assert [progress.text for progress in gateway.progress] == [str(number) for number in range(1, 11)]
    gateway.progress.clear()
    flood = gateway.offer("steps", {"count": 1000, "together": 1000, "pause_s": 0.0})
    await until(lambda: gateway.result_of(flood))
    assert len(gateway.progress) < 100
    assert gateway.progress[-1].fraction == 1.0


async def test_what_an_ended_run_has_said_waits_past_its_fence(gateway: FakeGateway, new_rig: NewRig) -> None:
    """Nobody renews and no line is taken for longer than a lease: of a run that is over nothing is left to stop, so
    its lines and its result stay, and the gateway decides what they are worth (INV-L1)."""
    gateway.intervals = {"lease_s": 3.0, "heartbeat_s": 0.2, "offer_s": 2.0}
    rig = await new_rig(max_log_bytes=8 << 20)
    gateway.acks_logs = False
    run_id = gateway.offer("flood", {"megabytes": 6})
    await until(lambda: not rig.pool.here and run_id in gateway.accepts)
    gateway.answers_beats = False
    silent_at = time.monotonic()
    await until(lambda: time.monotonic() > silent_at + 3.5)
    assert gateway.result_of(run_id) is None
    gateway.acks_logs = gateway.answers_beats = True
    gateway.cut()
    await until(lambda: gateway.result_of(run_id))
    result = gateway.result_of(run_id)
    assert result is not None
    assert result.log_count == sum(len(lines) for lines in gateway.logs.values())
    assert gateway.stopped == []


async def test_inv_f4_a_worker_that_cannot_renew_kills_its_run_in_time(gateway: FakeGateway, new_rig: NewRig) -> None:
    """The gateway falls silent; before it may give the run to another, nothing of it is left here."""
    gateway.intervals = {"lease_s": 3.0, "heartbeat_s": 0.2, "offer_s": 2.0}
    rig = await new_rig()
    run_id = gateway.offer("stubborn")
    await until(lambda: run_id in gateway.accepts and len(gateway.beats) > 3)
    pid = rig.pool.slots[0].pid
    gateway.answers_beats = False
    silent_at = looked_at = time.monotonic()
    stalled_s = 0.0  # by the machine, here as there
    while row(pid) is not None and looked_at < silent_at + 20.0:
        await asyncio.sleep(0.01)
        stalled_s += max(0.0, time.monotonic() - looked_at - 0.1)
        looked_at = time.monotonic()
    assert looked_at - silent_at < 3.0 + stalled_s, "it was still there when its lease had run out"
    await until(lambda: run_id in gateway.stopped)


@BOTH
async def test_a_refused_credential_is_final_at_first(gateway: FakeGateway, new_rig: NewRig, transport: str) -> None:
    rig = await new_rig(token="wrong", transport=transport)
    assert rig.running is not None
    with pytest.raises(Unauthenticated):
        await rig.running


@BOTH
async def test_a_name_that_was_taken_over_is_final(gateway: FakeGateway, new_rig: NewRig, transport: str) -> None:
    gateway.close_code = 4409
    rig = await new_rig(transport=transport)
    assert rig.running is not None
    with pytest.raises(RemoteLinkError, match="as the test says"):
        await rig.running


async def test_everything_else_is_tried_again(gateway: FakeGateway, new_rig: NewRig) -> None:
    gateway.close_code = 503
    rig = await new_rig()
    await until(lambda: rig.exchange._failed_count >= 2)
    gateway.close_code = 1012
    await until(lambda: rig.exchange._failed_count >= 3)
    gateway.close_code = None
    await until(lambda: gateway.hellos)
    gateway.say(m.Drain(reconnect=True, delay_s=0.05))
    await until(lambda: len(gateway.hellos) == 2)
    assert rig.running is not None
    assert not rig.running.done()


async def test_a_full_disk_stops_new_work(gateway: FakeGateway, new_rig: NewRig) -> None:
    """F18: what could not be kept is not asked for; when there is room again, work goes on."""
    rig = await new_rig()
    await until(lambda: gateway.hellos and rig.link.capacity)
    rig.spool.is_broken = True
    rig.exchange.changed()
    assert rig.link.capacity == 0
    await until(lambda: rig.link.capacity > 0)
    run_id = gateway.offer("echo", {"value": 1})
    await until(lambda: gateway.result_of(run_id))


@pytest.mark.parametrize("jump_s", [-7200.0, 7200.0])
async def test_f16_a_wall_clock_that_jumps_ends_nothing(
    gateway: FakeGateway, new_rig: NewRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    """Leases, time limits and fences are counted by the monotonic clock."""
    gateway.intervals = {"lease_s": 3.0, "heartbeat_s": 0.2, "offer_s": 2.0}
    await new_rig()
    gate = tmp_path / "gate"
    run_id = gateway.offer("slow_talk", {"gate": str(gate)}, timeout_s=60.0)
    await until(lambda: run_id in gateway.accepts)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    seen_count = len(gateway.beats)
    await until(lambda: len(gateway.beats) > seen_count + 5)
    assert gateway.stopped == []
    gate.touch()
    await until(lambda: gateway.result_of(run_id))
    result = gateway.result_of(run_id)
    assert result is not None
    assert result.status == "ok"
