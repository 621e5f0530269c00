"""The worker's own processes killed at the wrong moment: no result lost, no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from taskgate import Client
from tests.system.cluster import GatewayProcess
from tests.system.conftest import NewWorker
from tests.system.worker.conftest import carriers, lives, mark_of, pids, until

MACHINE_S = 5.0  # what a machine may add that stalls or has other work

pytestmark = pytest.mark.system


def family_of(client: Client, ledger: Path) -> list[int]:
    """Start a run with a family; every pid of it."""
    client.submit("bad.family", {"ledger": str(ledger)})
    until(lambda: pids(ledger, "start"))
    return [pid for word in ("start", "daemon", "sleeper") for pid in pids(ledger, word)]


def test_f2_the_family_of_a_killed_link_process_is_gone_before_it_says_hello_again(
    client: Client, new_worker: NewWorker, tmp_path: Path
) -> None:
    """INV-F4: hello of the new instance releases the old one's runs, so by then nothing of them may run."""
    worker = new_worker(slots=1)
    family = family_of(client, tmp_path / "ledger")
    link = worker.link()
    os.kill(link, signal.SIGKILL)
    until(lambda: worker.link() not in (0, link))
    assert [pid for pid in family if lives(pid)] == []


def test_a_killed_supervisor_takes_everything_with_it(client: Client, new_worker: NewWorker, tmp_path: Path) -> None:
    worker = new_worker(slots=1)
    family = family_of(client, tmp_path / "ledger")
    link = worker.link()
    os.kill(worker.pid, signal.SIGKILL)
    until(lambda: not lives(link), within_s=10.0)
    assert [pid for pid in family if lives(pid)] == []
    until(lambda: all(seen.status == "offline" for seen in client.workers.all()), within_s=5.0)


def test_what_both_leave_is_killed_at_the_next_start(client: Client, new_worker: NewWorker, tmp_path: Path) -> None:
    worker = new_worker(slots=1)
    mark = mark_of(tmp_path, "w1")
    link = worker.link()
    family = family_of(client, tmp_path / "ledger")
    os.kill(link, signal.SIGSTOP)
    os.kill(worker.pid, signal.SIGKILL)
    os.kill(link, signal.SIGKILL)
    until(lambda: not lives(family[0]), within_s=5.0)
    assert carriers(mark), "this test needs orphans"
    new_worker(slots=1)
    assert carriers(mark) == []


def test_a_result_survives_the_link_process(
    gateway: GatewayProcess, client: Client, new_worker: NewWorker, tmp_path: Path
) -> None:
    """The gateway is deaf when the run ends; then the link process dies. One start, one attempt, one result."""
    worker = new_worker(slots=1)
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    run = client.submit("good.gated", {"ledger": str(ledger), "gate": str(gate)})
    until(lambda: client.run(run.id).attempts[-1].started_at)
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        gate.touch()
        results = tmp_path / "w1.d" / "results"
        until(lambda: results.stat().st_size > 0)
        link = worker.link()
        os.kill(link, signal.SIGKILL)
        until(lambda: worker.link() not in (0, link))
    finally:
        os.kill(gateway.pid, signal.SIGCONT)
    ended = run.wait(30)
    assert (ended.status, len(ended.attempts)) == ("succeeded", 1)
    assert len(pids(ledger, "start")) == 1
    until(lambda: results.stat().st_size == 0)


def test_the_second_signal_leaves_at_once_and_the_run_goes_on_elsewhere(
    client: Client, new_worker: NewWorker, tmp_path: Path
) -> None:
    first = new_worker("w1", slots=1)
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    run = client.submit("good.gated", {"ledger": str(ledger), "gate": str(gate)})
    until(lambda: pids(ledger, "start"))
    new_worker("w2", slots=1)
    os.kill(first.pid, signal.SIGTERM)
    until(lambda: any(seen.status == "draining" for seen in client.workers.all()))
    assert lives(pids(ledger, "start")[0]), "the first signal lets it finish"
    began = time.monotonic()
    os.kill(first.pid, signal.SIGTERM)
    until(lambda: len(pids(ledger, "start")) == 2)
    assert time.monotonic() - began < 5.0 + MACHINE_S, "goodbye ends the lease at once"
    assert not lives(pids(ledger, "start")[0])
    gate.touch()
    assert run.output(timeout_s=30) == 2


def test_a_worker_that_cannot_load_its_tasks_says_why_and_ends(gateway: GatewayProcess, tmp_path: Path) -> None:
    """F21: one clear line, exit code 1, no restart for ever."""
    arguments = [
        "--gateway",
        gateway.url,
        "--token-file",
        str(gateway.folder / "worker.key"),
        "--tasks",
        "no_such_tasks",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "taskgate", "worker", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "no_such_tasks" in line]
    assert lines
    assert "there is no module 'no_such_tasks'" in lines[-1]
    assert "Traceback" not in done.stderr


def test_a_wrong_key_says_so_and_ends(gateway: GatewayProcess, tmp_path: Path) -> None:
    arguments = ["--gateway", gateway.url, "--token", "tg_aaaaaaaaaaaa_" + "x" * 43, "--tasks", "tests.system.tasks"]
    done = subprocess.run(
        [sys.executable, "-m", "taskgate", "worker", *arguments, "--state-dir", str(tmp_path / "state")],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "does not accept the credential" in done.stderr
    assert "x" * 43 not in done.stderr, "INV-A6"
