"""Tasks at their worst: the run is told in time, nothing of it is left, and the worker never misses a beat."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from taskgate import Client
from taskgate.worker.cgroups import find_yard
from tests.system.conftest import NewWorker
from tests.system.worker.conftest import carriers, lives, mark_of, pids, until

MACHINE_S = 5.0  # what a machine may add that stalls or has other work

pytestmark = pytest.mark.system


def ended(client: Client, task: str, ledger: Path, **options: Any) -> tuple[Any, float]:
    """Submit, wait for the end; the run and the seconds from its start."""
    run = client.submit(task, {"ledger": str(ledger)}, **options)
    until(lambda: pids(ledger, "start"))
    began = time.monotonic()
    return run.wait(60), time.monotonic() - began


def slots_alone(mark: str, count: int) -> bool:
    return len(carriers(mark)) == count


@pytest.mark.skipif("pids" not in find_yard().places, reason="a fork bomb needs a control group that bounds it")
def test_f23_a_fork_bomb_is_bounded_and_ended(client: Client, new_worker: NewWorker, tmp_path: Path) -> None:
    """Bar: ≤ timeout + 5 s, 0 pids left."""
    worker = new_worker(slots=2)
    mark, ledger = mark_of(tmp_path, "w1"), tmp_path / "ledger"
    link = worker.link()
    run, took_s = ended(client, "bad.bomb", ledger, timeout_s=2.0)
    assert (run.status, run.attempts[-1].outcome) == ("failed", "timed_out")
    assert took_s <= 2.0 + 5.0 + MACHINE_S
    until(lambda: slots_alone(mark, 2))
    assert worker.link() == link
    assert client.submit("good.quick", {"number": 7}).output(timeout_s=10) == 7
    assert [seen.status for seen in client.workers.all()] == ["online"]


@pytest.mark.parametrize("task", ["bad.loop", "bad.family"])
def test_f23_nothing_is_left_of_a_run_out_of_time(
    client: Client, new_worker: NewWorker, tmp_path: Path, task: str
) -> None:
    """An infinite loop deaf to SIGTERM; a daemon by double fork and a subprocess in a session of its own."""
    new_worker(slots=1)
    ledger = tmp_path / "ledger"
    run, took_s = ended(client, task, ledger, timeout_s=1.0)
    assert run.attempts[-1].outcome == "timed_out"
    assert took_s <= 1.0 + 5.0 + MACHINE_S
    everybody = [pid for word in ("start", "daemon", "sleeper") for pid in pids(ledger, word)]
    assert [pid for pid in everybody if lives(pid)] == []


def test_f3_the_family_of_a_crashed_run_is_killed(client: Client, new_worker: NewWorker, tmp_path: Path) -> None:
    """Its processes are orphans by then, and come to the link process."""
    new_worker(slots=1)
    ledger = tmp_path / "ledger"
    run = client.submit("bad.family", {"ledger": str(ledger), "crash": True})
    until(lambda: pids(ledger, "start"))
    took_s = until(lambda: client.run(run.id).attempts[0].ended_at)
    assert took_s <= 2.0 + MACHINE_S
    assert client.run(run.id).attempts[0].outcome == "worker_lost"
    first = [pids(ledger, word)[0] for word in ("daemon", "sleeper")]
    assert [pid for pid in first if lives(pid)] == []
    run.cancel()


def test_f22_a_run_over_its_memory_is_told_within_five_seconds(
    client: Client, new_worker: NewWorker, tmp_path: Path
) -> None:
    worker = new_worker(slots=1)
    link = worker.link()
    run, took_s = ended(client, "bad.eats", tmp_path / "ledger")
    error = run.attempts[-1].error
    assert error is not None
    assert error.code == "OUT_OF_MEMORY"
    assert took_s <= 5.0 + MACHINE_S
    assert worker.link() == link, "only the task process dies"
    assert [seen.status for seen in client.workers.all()] == ["online"]


def test_f21_a_run_that_kills_its_process_each_time_ends_with_the_reason(
    client: Client, new_worker: NewWorker, tmp_path: Path
) -> None:
    """Three losses and it is over; others do not wait for it."""
    new_worker("w1", slots=1)
    new_worker("w2", slots=1)
    ledger = tmp_path / "ledger"
    poison = client.submit("bad.exits", {"ledger": str(ledger)})
    for number in range(20):
        assert client.submit("good.quick", {"number": number}).output(timeout_s=10) == number
    run = poison.wait(120)
    assert run.status == "failed"
    assert {attempt.outcome for attempt in run.attempts if attempt.started_at} == {"worker_lost"}
    assert len(pids(ledger, "start")) == 3
    assert "exit status 3" in str(run.attempts[-1].error)


def test_f21_a_missing_library_is_not_tried_again(client: Client, new_worker: NewWorker, tmp_path: Path) -> None:
    new_worker(slots=1)
    run, _ = ended(client, "bad.imports", tmp_path / "ledger")
    assert run.status == "failed"
    assert len(run.attempts) == 1
    assert "a_library_that_nobody_installed" in str(run.attempts[0].error)
