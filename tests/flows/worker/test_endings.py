"""How runs and task processes end: in time or not, asked or killed, alone or with a family (F3, F21, F22, F23)."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from taskgate.worker.cgroups import CageYard, find_yard
from taskgate.worker.processes import row
from tests.flows.worker.bench import Bench, value_of
from tests.flows.worker.conftest import NewBench

MACHINE_S = 5.0  # what a machine may add that stalls or has other work


def lives(pid: int) -> bool:
    found = row(pid)
    return found is not None and not found.is_zombie


def has(ids: list[str], run_id: str) -> bool:
    return run_id in ids


async def offer_and_see(bench: Bench, task: str, value: Any = None) -> str:
    """Offer a run, and wait until the task itself has spoken: it has really begun by then."""
    (run_id,) = bench.offer(task, value)
    await bench.until(lambda: bench.witness.lines.get(run_id))
    return run_id


async def answer_of(bench: Bench, task: str, value: Any = None, **options: Any) -> tuple[Any, float]:
    began = time.monotonic()
    answer = await bench.run(task, value, **options)
    return answer, time.monotonic() - began


@pytest.mark.parametrize("task", ["waits", "tidy", "stubborn", "swallows", "hogs"])
async def test_f23_a_run_out_of_time_ends_and_nothing_of_it_is_left(bench: Bench, task: str, tmp_path: Path) -> None:
    """A sleep, an infinite loop, SIGTERM ignored, every exception swallowed, the interpreter's lock held."""
    before = bench.pool.slots[0].pid
    note = tmp_path / "note"
    answer, took_s = await answer_of(bench, task, {"note": str(note)} if task == "tidy" else None, timeout_s=0.3)
    assert (answer.code, answer.error_class) == ("TIMEOUT", "timeout")
    assert value_of(answer)["message"] == "no result within 0.3 s"
    assert took_s < 0.3 + 0.4 + 2.0 + MACHINE_S
    assert not lives(before)
    assert note.exists() == (task == "tidy"), "finally blocks run on SIGTERM"
    assert value_of(await bench.run("pid")) != before


async def test_a_run_that_ends_in_time_is_not_stopped(bench: Bench) -> None:
    for _ in range(20):
        assert (await bench.run("echo", {"value": 1}, timeout_s=5.0)).is_ok


@pytest.mark.parametrize(
    ("task", "value", "said", "member", "number"),
    [
        ("dies", {"by": int(signal.SIGKILL)}, "signal 9 (SIGKILL)", "signal", 9),
        ("segfault", None, "signal 11 (SIGSEGV)", "signal", 11),
        ("exits", {"code": 7}, "exit status 7", "exit_code", 7),
        ("exits", {"code": 0}, "exit status 0", "exit_code", 0),
    ],
)
async def test_f3_f21_a_crash_is_told_within_two_seconds(
    bench: Bench, task: str, value: Any, said: str, member: str, number: int
) -> None:
    before = bench.pool.slots[0].pid
    answer, took_s = await answer_of(bench, task, value)
    assert (answer.code, answer.error_class, answer.retryable) == ("TASK_CRASHED", "crash", None)
    assert said in value_of(answer)["message"]
    assert value_of(answer)[member] == number
    assert took_s <= 2.0 + MACHINE_S
    assert value_of(await bench.run("pid")) != before


async def test_what_a_crashed_run_said_is_kept(bench: Bench) -> None:
    (run_id,) = bench.offer("raw_output", {"word": "a"})
    await bench.answer(run_id)
    (crash,) = bench.offer("exits", {"code": 1})
    os.write(bench.pool.slots[0].child.out.fd, b"last words")
    await bench.answer(crash)
    assert bench.witness.lines[crash]["stdout"] == ["last words"]


async def test_a_cancelled_run_that_listens_keeps_its_process(bench: Bench) -> None:
    before = bench.pool.slots[0].pid
    for task in ("patient", "waits"):
        run_id = await offer_and_see(bench, task)
        assert bench.pool.stop((run_id, 1), "cancelled")
        await bench.until(partial(has, bench.witness.stopped_ids, run_id))
        assert run_id not in bench.witness.answers
    assert value_of(await bench.run("pid")) == before


@pytest.mark.parametrize(("task", "reason"), [("tidy", "cancelled"), ("stubborn", "cancelled"), ("stubborn", "fence")])
async def test_inv_f4_a_run_that_must_stop_is_gone_when_that_is_said(
    bench: Bench, task: str, reason: str, tmp_path: Path
) -> None:
    pid = bench.pool.slots[0].pid
    note = tmp_path / "note"
    run_id = await offer_and_see(bench, task, {"note": str(note)} if task == "tidy" else None)
    began = time.monotonic()
    assert bench.pool.stop((run_id, 1), reason)
    await bench.until(lambda: run_id in bench.witness.stopped_ids)
    assert not lives(pid)
    assert time.monotonic() - began < 3.0 + MACHINE_S
    assert run_id not in bench.witness.answers
    assert note.exists() == (task == "tidy")


async def test_a_cancelled_run_that_loses_its_lease_gets_no_more_patience(new_bench: NewBench) -> None:
    bench = await new_bench(cancel_grace_s=60.0)
    run_id = await offer_and_see(bench, "stubborn")
    bench.pool.stop((run_id, 1), "cancelled")
    bench.pool.stop((run_id, 1), "fence")
    await bench.until(lambda: run_id in bench.witness.stopped_ids, within_s=5.0 + MACHINE_S)


async def test_a_run_that_lost_its_lease_before_it_was_accepted_is_not_told(bench: Bench) -> None:
    """Whether it had begun or not: it is ended, never begun again, and the place is free for others."""
    (run_id,) = bench.offer("stubborn")
    bench.witness.refuse_begin.add(run_id)
    await bench.until(lambda: (run_id, 1) not in bench.pool.here)
    assert (await bench.run("pid")).is_ok
    assert bench.witness.begun_ids.count(run_id) == 1
    assert run_id not in bench.witness.answers
    assert run_id not in bench.witness.stopped_ids
    assert run_id not in {task.task.run_id for slot in bench.pool.slots for task in slot.line}


async def test_inv_k2_a_process_that_outlives_its_run_is_killed(bench: Bench, tmp_path: Path) -> None:
    """F23: two forks, a session of its own, an empty environment."""
    before = bench.pool.slots[0].pid
    note = tmp_path / "note"
    answer = await bench.run("daemon", {"note": str(note)})
    assert answer.is_ok, "the run itself had ended well"
    pid = int(note.read_text())
    await bench.until(lambda: not lives(pid))
    assert value_of(await bench.run("pid")) != before


async def test_f22_memory_is_watched_where_no_control_group_bounds_it(bench: Bench) -> None:
    answer, took_s = await answer_of(bench, "eats", {"megabytes": 300})
    assert (answer.code, answer.error_class) == ("OUT_OF_MEMORY", "memory")
    assert "over its limit of 209715200 bytes" in value_of(answer)["message"]
    assert took_s <= 5.0 + MACHINE_S
    assert (await bench.run("eats", {"megabytes": 10})).is_ok


@pytest.mark.skipif("memory" not in find_yard().places, reason="no memory control group may be made here")
async def test_f22_the_control_group_kills_only_the_task(new_bench: NewBench) -> None:
    bench = await new_bench(yard=find_yard())
    answer, took_s = await answer_of(bench, "eats", {"megabytes": 300})
    assert (answer.code, answer.error_class) == ("OUT_OF_MEMORY", "memory")
    assert took_s <= 5.0 + MACHINE_S
    assert (await bench.run("eats", {"megabytes": 10})).is_ok
    folders = {slot.child.cage for slot in bench.pool.slots}
    await bench.pool.close()
    assert all(not folder.exists() for cage in folders if cage is not None for folder in cage._all())


async def test_the_offer_names_the_tighter_memory_limit(bench: Bench) -> None:
    answer = await bench.run("eats", {"megabytes": 300}, memory_bytes=120 << 20)
    assert "over its limit of 125829120 bytes" in value_of(answer)["message"]


async def test_f21_a_module_that_cannot_be_loaded_later_fails_its_runs(new_bench: NewBench, tmp_path: Path) -> None:
    module = tmp_path / "fickle.py"
    module.write_text("import os\nfrom taskgate import task\n@task\ndef pid(): return os.getpid()\n")
    bench = await new_bench(tasks=("fickle",), python_path=(str(tmp_path),))
    pid = value_of(await bench.run("pid"))
    module.write_text("import absent_library\n")
    os.kill(pid, signal.SIGKILL)
    await bench.until(lambda: bench.pool.ready_count == 1 and bench.pool.slots[0].pid != pid)
    answer = await bench.run("pid")
    assert (answer.code, answer.retryable) == ("TASK_NOT_LOADED", False)
    assert "absent_library" in value_of(answer)["message"]


async def test_closing_is_quick_whatever_runs(new_bench: NewBench) -> None:
    bench = await new_bench(slots=2, yard=CageYard({}))
    bench.offer("stubborn")
    bench.offer("waits")
    await bench.until(lambda: len(bench.witness.begun_ids) == 2)
    pids = {slot.pid for slot in bench.pool.slots}
    began = time.monotonic()
    await bench.pool.close()
    assert time.monotonic() - began < 2.0 + MACHINE_S
    assert not any(lives(pid) for pid in pids)


@pytest.mark.parametrize("task", ["patient", "waits"])
async def test_a_wish_to_cancel_that_comes_with_the_run_is_heard(bench: Bench, task: str) -> None:
    before = bench.pool.slots[0].pid
    for _ in range(20):
        (run_id,) = bench.offer(task)
        assert bench.pool.stop((run_id, 1), "cancelled")
        await bench.until(partial(has, bench.witness.stopped_ids, run_id))
    assert value_of(await bench.run("pid")) == before
