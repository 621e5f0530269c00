"""`doctor`: one finding per question, nothing started, nothing left."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from taskgate.secret import Secret
from taskgate.worker.diagnosis import Finding, examine
from taskgate.worker.naming import take_home
from taskgate.worker.settings import WorkerSettings
from tests.flows.worker.bench import TASKS
from tests.flows.worker.gateway import KEY, FakeGateway


@pytest.fixture
def settings(gateway: FakeGateway, tmp_path: Path) -> dict[str, Any]:
    return {
        "gateway": gateway.url, "grpc_target": gateway.grpc_address, "token": Secret(KEY), "tasks": (TASKS,),
        "state_dir": str(tmp_path / "state"), "name": "w1",
    }  # fmt: skip


async def look(settings: dict[str, Any], **changes: Any) -> dict[str, Finding]:
    return {finding.name: finding for finding in await examine(WorkerSettings(**{**settings, **changes}))}


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
async def test_where_everything_is_good(gateway: FakeGateway, settings: dict[str, Any], transport: str) -> None:
    found = await look(settings, transport=transport)
    assert list(found) == ["gateway", "credential", "tasks", "state folder", "limits"]
    assert [finding.name for finding in found.values() if not finding.is_good] == []
    assert "echo" in found["tasks"].detail
    assert "worker id w1" in found["state folder"].detail
    assert gateway.hellos == [], "no worker appears"


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
async def test_a_wrong_key_is_found(settings: dict[str, Any], transport: str) -> None:
    found = await look(settings, transport=transport, token=Secret("wrong"))
    assert not found["credential"].is_good
    assert "wrong" not in found["credential"].detail
    assert (
        "--token or TASKGATE_API_KEY"
        in (await look(settings, transport=transport, token=Secret()))["credential"].detail
    )


async def test_a_gateway_that_is_not_there_is_found(settings: dict[str, Any]) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    found = await look(settings, gateway=f"http://127.0.0.1:{port}")
    assert not found["gateway"].is_good
    assert "credential" not in found


async def test_tasks_that_cannot_be_loaded_are_found(settings: dict[str, Any]) -> None:
    found = await look(settings, tasks=("no_such_module",))
    assert not found["tasks"].is_good
    assert "there is no module 'no_such_module'" in found["tasks"].detail


async def test_a_user_that_does_not_exist_is_found(settings: dict[str, Any]) -> None:
    assert "there is no user" in (await look(settings, run_as="nobody-of-this-name"))["tasks"].detail


async def test_beside_a_running_worker_the_folder_is_simply_in_use(settings: dict[str, Any]) -> None:
    home = take_home(WorkerSettings(state_dir=settings["state_dir"]))
    found = (await look(settings))["state folder"]
    assert found.is_good
    assert "in use by another worker" in found.detail
    assert home.lock_fd >= 0
