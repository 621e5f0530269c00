"""A gateway that cannot go on says so in one line and ends, so that a supervisor starts it again (F19)."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from taskgate.config import Settings
from taskgate.edge.settings import GrpcSettings, HttpSettings
from taskgate.errors import StoreError, TaskgateError
from taskgate.secret import Url
from taskgate.server import Server
from taskgate.stores.settings import DatabaseSettings

PATIENCE_S = 20.0


def server_in(folder: Path, *, url: str = "memory:") -> Server:
    return Server(
        Settings(
            data_dir=str(folder),
            http=HttpSettings(port=0),
            grpc=GrpcSettings(enabled=False),
            database=DatabaseSettings(url=Url(url)),
        )
    )


async def ready(server: Server) -> asyncio.Task[None]:
    running = asyncio.create_task(server.run())
    asked = asyncio.create_task(server.ready.wait())
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
    assert not running.done()
    return running


@pytest.mark.parametrize("door", ["grpc", "http"])
def test_a_taken_port_ends_the_start_with_one_line(tmp_path: Path, door: str) -> None:
    with socket.socket() as taken, socket.socket() as free:
        for one in (taken, free):
            one.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"http": taken, "grpc": free} if door == "http" else {"http": free, "grpc": taken}
        http, grpc = (str(ports[name].getsockname()[1]) for name in ("http", "grpc"))
        free.close()
        command = [sys.executable, "-m", "taskgate", "serve", "--port", http, "--grpc-port", grpc]
        ended = subprocess.run(
            [*command, "--data-dir", str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    assert ended.returncode == 1
    told = [line for line in ended.stderr.splitlines() if "ADDRESS_IN_USE" in line]
    assert len(told) == 1
    assert "Traceback" not in ended.stderr + ended.stdout
    assert "Cancelled" not in ended.stderr + ended.stdout
    assert not (tmp_path / "gateway.json").exists()


async def test_a_background_task_that_dies_ends_the_gateway(tmp_path: Path) -> None:
    """Dispatch that has stopped while submits go on would be the worst of all states."""
    server = server_in(tmp_path)
    running = await ready(server)

    async def breaks() -> bool:
        raise ZeroDivisionError("a bug")

    server.gateway.moves.dispatcher._round = breaks  # type: ignore[method-assign]
    server.gateway.moves.dispatcher._wake.set()
    with pytest.raises(TaskgateError) as ended:
        await asyncio.wait_for(running, PATIENCE_S)
    assert ended.value.code == "PART_DIED"
    assert not (tmp_path / "gateway.json").exists()


async def test_f19_a_store_that_writes_no_more_ends_the_gateway(tmp_path: Path) -> None:
    server = server_in(tmp_path, url=f"sqlite:{tmp_path}")
    running = await ready(server)
    store = server.gateway.stores.parts[0]
    store.writer.broken = StoreError("the disk lied", code="STORE_BROKEN")  # type: ignore[attr-defined]
    with pytest.raises(StoreError) as ended:
        await asyncio.wait_for(running, PATIENCE_S)
    assert ended.value.code == "STORE_BROKEN"
