"""Real workers beside a real gateway, and a count of every process that carries a worker's mark."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskgate import Client
from taskgate.worker.processes import carries, row, table
from taskgate.worker.spawning import NONCE
from tests.system.cluster import GatewayProcess, WorkerProcess

TASKS = "tests.system.worker.tasks"
NewWorker = Callable[..., WorkerProcess]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path / "data")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[Client]:
    with Client(gateway.url, gateway.admin_key) as made:
        yield made


@pytest.fixture
def new_worker(gateway: GatewayProcess, client: Client, tmp_path: Path) -> Iterator[NewWorker]:
    """Starts a worker with these settings and waits until it is online."""
    made: list[WorkerProcess] = []
    marks: list[str] = []

    def start(name: str = "w1", **settings: Any) -> WorkerProcess:
        config = tmp_path / f"{name}.json"
        values = {"term_grace_s": 1.0, "cancel_grace_s": 1.0, "max_processes": 64, **settings}
        config.write_text(json.dumps(values))
        slots = int(settings.pop("slots", 2))
        worker = WorkerProcess(gateway, name, tasks=TASKS, slots=slots, config=str(config))
        made.append(worker)
        until(lambda: any(seen.id == name and seen.status == "online" for seen in client.workers.all()))
        marks.append(mark_of(tmp_path, name))
        return worker

    yield start
    for worker in made:
        worker.kill()
    # one that was being started when its parent was killed notices by itself
    until(lambda: not any(carriers(mark) for mark in marks), within_s=10.0)


def until(claim: Callable[[], object], within_s: float = 30.0) -> float:
    """Poll until the claim is true; the seconds it took."""
    began = time.monotonic()
    while not claim():
        assert time.monotonic() - began < within_s, "it did not become true in time"
        time.sleep(0.02)
    return time.monotonic() - began


def mark_of(folder: Path, name: str) -> str:
    """What every task process of this worker, and whatever it starts, has in its environment."""
    return f"{NONCE}={(folder / f'{name}.d' / 'mark').read_text().strip()}"


def carriers(mark: str) -> list[int]:
    """Every living process with this mark."""
    return [pid for pid, process in table().items() if not process.is_zombie and carries(pid, mark)]


def pids(ledger: Path, word: str) -> list[int]:
    """The processes that wrote this word into the ledger."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(f"{word} ")]


def lives(pid: int) -> bool:
    """Whether the process is there and not just unburied."""
    found = row(pid)
    return found is not None and not found.is_zombie
