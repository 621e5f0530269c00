"""Workers that are killed, frozen or cut off in the middle of a run; the ledger file is the oracle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from taskgate import Client
from tests.system.cluster import GatewayProcess, WorkerProcess
from tests.system.conftest import NewWorker

MACHINE_S = 5.0  # what a machine may add that stalls or has other work

pytestmark = pytest.mark.system


def _until(claim: Callable[[], object], within_s: float = 30.0) -> float:
    """Wait for the claim; the seconds it took."""
    began = time.monotonic()
    while not claim():
        assert time.monotonic() - began < within_s, "it did not become true in time"
        time.sleep(0.02)
    return time.monotonic() - began


def _lines(path: Path, word: str) -> list[list[str]]:
    if not path.exists():
        return []
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.endswith(word)]


def _online(client: Client, count: int) -> Callable[[], bool]:
    return lambda: sum(worker.status == "online" for worker in client.workers.all()) >= count


def _holder(client: Client, run_id: str) -> str:
    return client.run(run_id).attempts[-1].holder


def test_f2_a_killed_link_process_costs_seconds_and_no_run(
    client: Client, new_worker: NewWorker, tmp_path: Path
) -> None:
    """The supervisor lives on; the run is started again elsewhere within 5 s (G-5)."""
    workers = {name: new_worker(name) for name in ("w1", "w2")}
    _until(_online(client, 2))
    ledger = tmp_path / "ledger"
    run = client.submit("sys.gated", {"ledger": str(ledger), "gate": str(tmp_path / "gate")})
    _until(lambda: _lines(ledger, "start"))
    first = _holder(client, run.id)
    family = workers[first].family()
    os.kill(workers[first].link(), signal.SIGKILL)
    took_s = _until(lambda: len(_lines(ledger, "start")) == 2)
    (tmp_path / "gate").touch()
    assert run.output(timeout_s=30) > 1
    assert took_s <= 5.0 + MACHINE_S
    assert _holder(client, run.id) != first
    orphan = int(_lines(ledger, "start")[0][2])
    assert orphan in family
    assert not Path(f"/proc/{orphan}").exists(), "the task process outlived its link process"


def test_f2_a_killed_worker_with_everything_below_it(client: Client, new_worker: NewWorker, tmp_path: Path) -> None:
    """Nobody is left to say goodbye: the lease runs out and the run goes on elsewhere (≤ 35 s)."""
    workers = {name: new_worker(name) for name in ("w1", "w2")}
    _until(_online(client, 2))
    ledger = tmp_path / "ledger"
    run = client.submit("sys.gated", {"ledger": str(ledger), "gate": str(tmp_path / "gate")})
    _until(lambda: _lines(ledger, "start"))
    first = _holder(client, run.id)
    workers[first].kill()
    took_s = _until(lambda: len(_lines(ledger, "start")) == 2, 60.0)
    (tmp_path / "gate").touch()
    run.output(timeout_s=30)
    assert took_s <= 35.0 + MACHINE_S
    assert _holder(client, run.id) != first


def test_f3_a_killed_task_process_is_reported_within_two_seconds(
    client: Client, new_worker: NewWorker, tmp_path: Path
) -> None:
    worker = new_worker("w1")
    _until(_online(client, 1))
    ledger = tmp_path / "ledger"
    run = client.submit("sys.gated", {"ledger": str(ledger), "gate": str(tmp_path / "gate")})
    _until(lambda: _lines(ledger, "start"))
    link = worker.link()
    os.kill(int(_lines(ledger, "start")[0][2]), signal.SIGKILL)
    took_s = _until(lambda: len(client.run(run.id).attempts) == 2)
    (tmp_path / "gate").touch()
    ended = run.wait(30)
    assert took_s <= 2.0 + MACHINE_S
    assert ended.attempts[0].outcome == "worker_lost"
    assert ended.status == "succeeded"
    assert worker.link() == link, "the link process was not to die with it"


def test_f4_a_frozen_worker_is_stale_when_it_wakes(tmp_path: Path) -> None:
    """SIGSTOP past the lease, then SIGCONT: its results are stale, and the run ends once (INV-F3, INV-F4)."""
    gateway = GatewayProcess(
        tmp_path / "data",
        settings={
            "TASKGATE_RUNS__LEASE_S": "4",
            "TASKGATE_RUNS__HEARTBEAT_S": "1",
            "TASKGATE_LINK__DEAD_AFTER_S": "3",
            "TASKGATE_RUNS__OFFER_S": "2",
        },
    )
    gateway.start()
    workers: dict[str, WorkerProcess] = {}
    try:
        with Client(gateway.url, gateway.admin_key) as client:
            for name in ("w1", "w2"):
                workers[name] = WorkerProcess(gateway, name, tasks="tests.system.tasks")
            _until(_online(client, 2))
            ledger = tmp_path / "ledger"
            run = client.submit("sys.slow", {"ledger": str(ledger), "seconds": 3.0})
            _until(lambda: _lines(ledger, "start"))
            frozen = _holder(client, run.id)
            workers[frozen].signal_all(signal.SIGSTOP)
            _until(lambda: len(_lines(ledger, "start")) == 2)
            workers[frozen].signal_all(signal.SIGCONT)
            ended = run.wait(30)
            assert ended.status == "succeeded"
            assert _holder(client, run.id) != frozen
            assert ended.output() == ended.attempts[-1].number
            _until(_online(client, 2))
            again = client.run(run.id)
            assert again.output() == ended.output(), "a stale result changed the run"
            assert [attempt.outcome for attempt in again.attempts] == ["worker_lost", "succeeded"]
    finally:
        for worker in workers.values():
            worker.kill()
        gateway.kill()


def test_a_gateway_restart_in_mid_run_loses_neither_run_nor_lease(
    gateway: GatewayProcess, client: Client, new_worker: NewWorker, tmp_path: Path
) -> None:
    """kill -9 of the gateway while a worker works: the worker comes back and keeps its lease (F1)."""
    new_worker("w1")
    _until(_online(client, 1))
    ledger = tmp_path / "ledger"
    run = client.submit("sys.gated", {"ledger": str(ledger), "gate": str(tmp_path / "gate")})
    _until(lambda: _lines(ledger, "start"))
    _until(lambda: [entry.text for entry in run.journal()] == ["running"])  # told after the accept was committed
    _until(lambda: _is_confirmed(client, run.id))
    gateway.kill()
    gateway.start()
    _until(_online(client, 1))
    (tmp_path / "gate").touch()
    ended = run.wait(30)
    assert ended.status == "succeeded"
    assert len(ended.attempts) == 1, "the lease was lost over a short outage"
    assert len(_lines(ledger, "start")) == 1


def test_a_draining_worker_finishes_and_leaves(client: Client, new_worker: NewWorker, tmp_path: Path) -> None:
    worker = new_worker("w1")
    _until(_online(client, 1))
    ledger = tmp_path / "ledger"
    run = client.submit("sys.slow", {"ledger": str(ledger), "seconds": 1.0})
    _until(lambda: _lines(ledger, "start"))
    assert worker.stop(within_s=15.0) == 0
    assert client.run(run.id).status == "succeeded"
    assert all(seen.status == "offline" for seen in client.workers.all())


def _is_confirmed(client: Client, run_id: str) -> bool:
    """Whether the worker has asked for its lease since it began: only then does it know of more than its offer."""
    started_at, seen_at = client.run(run_id).attempts[-1].started_at, client.workers.all()[0].last_heartbeat_at
    return started_at is not None and seen_at is not None and seen_at > started_at
