"""One gateway and one worker per test file; both clients behind the face that the flows use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.edge.client.live import LiveGateway, SmallWorker
from tests.flows.client.conftest import Shell, shell

__all__ = ["shell"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    made = LiveGateway(tmp_path_factory.mktemp("gateway"))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def worker(gateway: LiveGateway) -> Iterator[SmallWorker]:
    made = SmallWorker(gateway)
    yield made
    made.close()


@pytest.fixture
def client(gateway: LiveGateway, worker: SmallWorker, shell: Shell) -> Any:
    """A client with the first admin key, once the worker is there."""
    worker.go.clear()
    made = shell.client(gateway.url, gateway.key("admin"), total_s=20.0)
    while not any(found.status == "online" for found in shell.do(made.workers.all())):
        time.sleep(0.02)
    return made
