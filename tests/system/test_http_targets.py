"""Chains whose first target is a service: it dies in the middle of a call, or it takes too long."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from taskgate import Client
from tests.system.cluster import ROOT, GatewayProcess, free_port
from tests.system.conftest import NewWorker, until_online


class Service:
    """The service as a process, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._notes = folder / "asked.txt"
        command = [sys.executable, "-m", "tests.system.stalling_main", str(self.port), str(self._notes)]
        self.process = subprocess.Popen(command, cwd=ROOT)

    def answers(self) -> bool:
        """Whether it takes connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
            return True
        return False

    def asked(self) -> list[str]:
        with suppress(FileNotFoundError):
            return self._notes.read_text(encoding="utf-8").splitlines()
        return []


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    until(made.answers)
    yield made
    made.process.kill()
    made.process.wait()


def until(claim: Callable[[], Any], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


async def declare(gateway: GatewayProcess, service: Service, target: dict[str, Any]) -> None:
    """Register the service, and put it before the workers in the chain of sys.echo."""
    registration = {
        "name": "stalling",
        "base_url": f"http://127.0.0.1:{service.port}",
        "prefix": "/stalling",
        "lease_s": 600,
        "routes": [{"name": "health", "method": "GET", "gateway_path": "/health", "upstream_path": "/health"}],
    }
    http = {"kind": "http", "service": "stalling", "path": "/do", "retries": 0, **target}
    async with aiohttp.ClientSession(gateway.url, headers={"X-API-Key": gateway.admin_key}) as session:
        async with session.post("/gateway/register", json=registration) as answer:
            assert answer.status == 200, await answer.text()
        task = {"targets": [http, {"kind": "workers"}]}
        async with session.put("/v1/tasks/sys.echo", json=task) as answer:
            assert answer.status == 200, await answer.text()


async def ended(gateway: GatewayProcess, run_id: str) -> Any:
    asked = {"ids": [run_id], "timeout_s": 20}
    async with (
        aiohttp.ClientSession(gateway.url, headers={"X-API-Key": gateway.admin_key}) as session,
        session.post("/v1/runs/wait", json=asked) as answer,
    ):
        (run,) = (await answer.json())["runs"]
        return run


async def test_a_service_killed_in_a_call_leaves_the_run_to_a_worker(
    gateway: GatewayProcess, new_worker: NewWorker, client: Client, service: Service
) -> None:
    new_worker("w1")
    until_online(client, 1)
    await declare(gateway, service, {})
    run = client.submit("sys.echo", {"value": "hello"})
    until(service.asked)
    service.process.kill()
    told = await ended(gateway, run.id)
    assert (told["status"], told["output"]) == ("succeeded", "hello")
    first, second = told["attempts"]
    assert (first["target"], first["holder"], first["outcome"]) == ("http", "service/stalling", "failed")
    assert first["error"]["code"] == "UPSTREAM_BROKEN"
    assert first["moved_on_because"] == "1 tries are used up"
    assert first["request"] == {"value": "hello"}
    assert (second["target"], second["holder"], second["outcome"]) == ("workers", "w1", "succeeded")
    assert service.asked() == [f'{run.id}.1 {{"value":"hello"}}']


async def test_a_slow_service_is_left_behind(
    gateway: GatewayProcess, new_worker: NewWorker, client: Client, service: Service
) -> None:
    new_worker("w1")
    until_online(client, 1)
    await declare(gateway, service, {"advance_after_s": 2.0, "retries": 3})
    run = client.submit("sys.echo", {"value": "hello"})
    told = await ended(gateway, run.id)
    assert (told["status"], told["output"]) == ("succeeded", "hello")
    assert [(one["target"], one["moved_on_because"]) for one in told["attempts"]][-1] == ("workers", "")
    assert told["attempts"][-2]["moved_on_because"] == "advance_after_s passed"
    assert told["attempts"][-2]["target"] == "http"
