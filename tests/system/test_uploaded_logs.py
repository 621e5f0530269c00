"""Logs that task code uploads, with real processes: whole over a gateway's death, bounded, read by the command line."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from taskgate import Client
from tests.system.cluster import GatewayProcess, WorkerProcess
from tests.system.conftest import TASKS, until_online

LIMIT = 6 << 20
SIZE = 5 << 20


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    settings = {"TASKGATE_JOURNAL__MAX_UPLOAD_BYTES": str(LIMIT)}
    made = GatewayProcess(tmp_path / "data", grpc=True, settings=settings)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "big.bin"
    made.write_bytes(random.Random(7).randbytes(SIZE))
    return made


def fetched(gateway: GatewayProcess, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "taskgate", "runs", "logs", *arguments],
        env={**os.environ, "TASKGATE_URL": gateway.url, "TASKGATE_API_KEY": gateway.admin_key},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_log_is_uploaded_by_its_task_and_fetched_whole(gateway: GatewayProcess, file: Path, tmp_path: Path) -> None:
    """The task has no credential; a gateway that is killed meanwhile costs nothing; a fetch goes on where it ended."""
    worker = WorkerProcess(gateway, "w1", tasks=TASKS, slots=2, transport="grpc", grpc=f"127.0.0.1:{gateway.grpc_port}")
    try:
        with Client(gateway.url, gateway.admin_key) as client:
            until_online(client, 1)
            run = client.submit("sys.upload", {"path": str(file), "name": "big.bin"})
            began = time.monotonic()
            while not begun(gateway, run.id):
                assert time.monotonic() < began + 20
            gateway.kill()
            gateway.start()
            whole = hashlib.sha256(file.read_bytes()).hexdigest()
            assert run.output(40.0) == {"sha256": whole, "size": SIZE}
            out = tmp_path / "out.bin"
            out.write_bytes(file.read_bytes()[: 1 << 20])
            done = fetched(gateway, run.id, "--stream", "big.bin", "--output", str(out), "--follow", "--json")
            assert done.returncode == 0, done.stderr
            told = json.loads(done.stdout)
            assert (told["bytes"], told["sealed"], told["sha256"]) == (SIZE, True, whole)
            assert out.read_bytes() == file.read_bytes()
            assert fetched(gateway, run.id, "--stream", "big.bin").stdout == file.read_bytes()
            out.write_bytes(b"x" + file.read_bytes()[1 : 1 << 20])
            wrong = fetched(gateway, run.id, "--stream", "big.bin", "--output", str(out))
            assert wrong.returncode == 1
            assert b"CHECKSUM_MISMATCH" in wrong.stderr
            assert fetched(gateway, run.id, "--output", str(out)).returncode == 2
            assert fetched(gateway, run.id, "--stream", "none.log").returncode == 1
            hostile(client, file, tmp_path)
    finally:
        worker.kill()


def begun(gateway: GatewayProcess, run_id: str) -> bool:
    """Whether a piece of the log is there."""
    url = f"{gateway.url}/v1/runs/{run_id}/logs"
    with urlopen(Request(url, headers={"X-API-Key": gateway.admin_key}), timeout=10) as answer:
        return any(log["offset"] > 0 for log in json.load(answer)["logs"])


def hostile(client: Client, file: Path, tmp_path: Path) -> None:
    """What a task does wrong, or means ill, is told as a typed error, and the worker works on."""
    large = tmp_path / "large.bin"
    with large.open("wb") as opened:
        opened.truncate(LIMIT + 1)
    told = {
        (str(large), "large.bin"): {"error": "TooLarge", "code": "LOG_TOO_LARGE"},
        (str(file), "../../keys"): {"error": "InvalidInput", "code": "BAD_LOG_NAME"},
        (str(file), ".."): {"error": "InvalidInput", "code": "BAD_LOG_NAME"},
        (str(file), "a?offset=1&final=true"): {"error": "InvalidInput", "code": "BAD_LOG_NAME"},
        (str(file), "\r\nX-Api-Key: x"): {"error": "InvalidInput", "code": "BAD_LOG_NAME"},
    }
    runs = [client.submit("sys.upload", {"path": path, "name": name}) for path, name in told]
    assert [run.output(40.0) for run in runs] == list(told.values())
    assert client.submit("sys.echo", {"value": "well"}).output(20.0) == "well"
