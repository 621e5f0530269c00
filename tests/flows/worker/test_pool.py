"""Who does which run: at once where somebody is free, ahead while runs are short, given back in time."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from taskgate.errors import InvalidInput
from taskgate.worker.watching import START_S
from tests.flows.worker.bench import Bench, value_of
from tests.flows.worker.conftest import NewBench

MACHINE_S = 5.0  # what a machine may add that stalls or has other work


async def test_slots_work_side_by_side(new_bench: NewBench, tmp_path: Path) -> None:
    bench = await new_bench(slots=2)
    gate = tmp_path / "gate"
    ids = bench.offer("hold", {"gate": str(gate)}, count=2)
    await bench.until(lambda: set(ids) <= set(bench.witness.begun_ids))
    gate.touch()
    assert [value_of(await bench.answer(run_id)) for run_id in ids] == ["held", "held"]


async def test_what_cannot_begin_in_time_goes_back_as_busy(bench: Bench, tmp_path: Path) -> None:
    """It costs nobody a try: it was never accepted."""
    gate = tmp_path / "gate"
    first, second = bench.offer("hold", {"gate": str(gate)}, count=2)
    began = time.monotonic()
    await bench.until(lambda: second in bench.witness.refusals)
    assert START_S <= time.monotonic() - began + 0.1 < 1.0 + 0.2 + MACHINE_S
    assert bench.witness.refusals == {second: "busy"}
    assert second not in bench.witness.begun_ids
    gate.touch()
    assert (await bench.answer(first)).is_ok


async def test_capacity_grows_with_short_runs_and_shrinks_behind_a_long_one(bench: Bench, tmp_path: Path) -> None:
    assert bench.pool.capacity == 1
    for run_id in bench.offer("echo", {"value": 1}, count=50):
        await bench.answer(run_id)
    assert bench.pool.capacity > 50
    gate = tmp_path / "gate"
    (run_id,) = bench.offer("hold", {"gate": str(gate)})
    await bench.until(lambda: bench.pool.capacity == 1)
    gate.touch()
    await bench.answer(run_id)


async def test_runs_behind_a_long_one_move_to_a_free_process(new_bench: NewBench, tmp_path: Path) -> None:
    """Short runs stand in line; one of them turns out to be long; those behind it do not wait for it."""
    bench = await new_bench(slots=2)
    gate = tmp_path / "gate"
    gate.touch()
    for run_id in bench.offer("hold", {"gate": str(gate)}, count=60):
        await bench.answer(run_id)
    gate.unlink()
    closed = tmp_path / "closed"
    (long_one,) = bench.offer("hold", {"gate": str(closed)})
    gate.touch()
    rest = bench.offer("hold", {"gate": str(gate)}, count=60)
    for run_id in rest:
        assert (await bench.answer(run_id)).is_ok
    assert long_one not in bench.witness.answers
    assert bench.witness.refusals == {}
    assert len(bench.witness.begun_ids) == len(set(bench.witness.begun_ids)), "no run was begun twice"
    closed.touch()
    await bench.answer(long_one)


async def test_a_run_in_line_can_be_cancelled_without_harm_to_others(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    for run_id in bench.offer("hold", {"gate": str(gate)}, count=60):
        await bench.answer(run_id)
    pid = bench.pool.slots[0].pid
    gate.unlink()
    ids = bench.offer("hold", {"gate": str(gate)}, count=4)
    assert bench.pool.stop((ids[2], 1), "cancelled")
    await bench.until(lambda: ids[2] in bench.witness.stopped_ids)
    gate.touch()
    for run_id in (ids[0], ids[1], ids[3]):
        assert (await bench.answer(run_id)).is_ok
    assert ids[2] not in bench.witness.begun_ids
    assert bench.pool.slots[0].pid == pid


async def test_everything_unbegun_can_be_given_back(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first, *rest = bench.offer("hold", {"gate": str(gate)}, count=5)
    await bench.until(lambda: first in bench.witness.begun_ids)
    bench.pool.watch.give_back("draining")
    assert bench.witness.refusals == dict.fromkeys(rest, "draining")
    gate.touch()
    assert (await bench.answer(first)).is_ok


async def test_an_unknown_run_cannot_be_stopped(bench: Bench) -> None:
    assert not bench.pool.stop(("nobody", 1), "cancelled")


@pytest.mark.parametrize(
    ("text", "said"),
    [("import absent_library\n", "absent_library"), ("import os\nos._exit(4)\n", "exit status 4")],
)
async def test_f21_a_worker_that_cannot_load_its_tasks_does_not_start(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "unloadable.py").write_text(text)
    bench = Bench(tasks=("unloadable",), python_path=(str(tmp_path),))
    try:
        with pytest.raises(InvalidInput, match=said) as caught:
            await bench.pool.start()
        assert caught.value.code == "TASKS_NOT_LOADED"
    finally:
        await bench.pool.close()


def may_run_as_nobody() -> bool:
    """Whether root is here to change the user, and that user may reach this very interpreter and these tasks."""
    if os.geteuid() != 0:
        return False
    places = [Path(sys.executable).resolve(), Path(sys.prefix).resolve(), Path(__file__).resolve()]
    return all(place.stat().st_mode & 0o005 for start in places for place in (start, *start.parents))


@pytest.mark.skipif("not may_run_as_nobody()", reason="needs root, and an interpreter that other users may run")
async def test_task_processes_run_as_the_named_user(new_bench: NewBench) -> None:
    bench = await new_bench(run_as="nobody")
    found = value_of(await bench.run("environment"))
    status = await asyncio.to_thread(Path(f"/proc/{bench.pool.slots[0].pid}/status").read_text)
    assert found["USER"] == "nobody"
    assert "Uid:\t65534\t65534" in status


async def test_a_process_that_cannot_be_started_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    bench = Bench()
    with pytest.raises(InvalidInput, match="a task process cannot be started"):
        await bench.pool.start()
    await bench.pool.close()


async def test_one_long_run_does_not_slow_the_others(new_bench: NewBench, tmp_path: Path) -> None:
    """Work is still taken ahead for the processes that do short runs."""
    bench = await new_bench(slots=2)
    for run_id in bench.offer("echo", {"value": 1}, count=100):
        await bench.answer(run_id)
    gate = tmp_path / "gate"
    (run_id,) = bench.offer("hold", {"gate": str(gate)})
    await bench.until(lambda: bench.pool.watch.stuck_count == 1)
    assert bench.pool.capacity > 2
    gate.touch()
    await bench.answer(run_id)
