"""A gateway and workers as real processes, ended whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskgate import Client
from tests.system.cluster import GatewayProcess, WorkerProcess

TASKS = "tests.system.tasks"
NewWorker = Callable[..., WorkerProcess]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path / "data")
    made.start()
    yield made
    made.kill()


@pytest.fixture
def new_worker(gateway: GatewayProcess) -> Iterator[NewWorker]:
    made: list[WorkerProcess] = []

    def start(name: str, **options: Any) -> WorkerProcess:
        worker = WorkerProcess(gateway, name, tasks=TASKS, **options)
        made.append(worker)
        return worker

    yield start
    for worker in made:
        worker.kill()


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[Client]:
    with Client(gateway.url, gateway.admin_key) as made:
        yield made


def until_online(client: Client, count: int, within_s: float = 30.0) -> None:
    """Wait until that many workers are online."""
    deadline = time.monotonic() + within_s
    while sum(worker.status == "online" for worker in client.workers.all()) < count:
        assert time.monotonic() < deadline, "the workers did not come"
        time.sleep(0.02)
