"""A gateway that is started while its database or its Redis is away: it comes up by itself, and says what it waits for.

Real processes; the servers are started, killed and replaced by the tests.
"""

from __future__ import annotations

import json
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskgate.client import Client
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.system.cluster import GatewayProcess, WorkerProcess

pytestmark = pytest.mark.system
PATIENCE_S = 40.0
ROOT_SECRET = "5e" * 32


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="taskgate-starts-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def database(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder / "postgres", is_quick=True)
    yield server
    server.kill()


@pytest.fixture
def redis(folder: Path) -> Iterator[Redis]:
    server = Redis(folder / "redis")
    yield server
    server.kill()


@pytest.fixture
def gateways() -> Iterator[list[GatewayProcess]]:
    started: list[GatewayProcess] = []
    yield started
    for gateway in started:
        gateway.kill()


def until(is_so: Callable[[], bool], gateway: GatewayProcess) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, gateway.log()[-3000:]
        time.sleep(0.05)


def asked(gateway: GatewayProcess, path: str, *, body: bytes | None = None) -> tuple[int, dict[str, str], Any]:
    """(status, headers, document); status 0 while nobody listens."""
    request = urllib.request.Request(gateway.url + path, data=body)
    if (gateway.folder / "admin.key").exists():
        request.add_header("Authorization", f"Bearer {gateway.admin_key}")
    try:
        with urllib.request.urlopen(request, timeout=10.0) as answer:
            return answer.status, dict(answer.headers), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), json.load(error)
    except OSError:
        return 0, {}, {}


def is_up(gateway: GatewayProcess) -> Callable[[], bool]:
    return (gateway.folder / "gateway.json").exists


def test_a_gateway_waits_for_its_database_and_says_so(
    folder: Path, database: Postgres, gateways: list[GatewayProcess]
) -> None:
    gateway = GatewayProcess(folder / "gateway", settings={"TASKGATE_DATABASE__URL": database.url()})
    gateways.append(gateway)
    gateway.launch()
    until(lambda: asked(gateway, "/health/live")[0] == 200, gateway)

    status, headers, said = asked(gateway, "/health/ready")
    assert (status, said["status"]) == (503, "unavailable")
    assert int(headers["retry-after"]) >= 1
    status, headers, said = asked(gateway, "/v1/tasks/echo/runs", body=b"{}")
    assert (status, said["code"]) == (503, "STARTING")
    assert int(headers["retry-after"]) >= 1
    assert f"127.0.0.1:{database.port}" in gateway.log()
    assert str(database.port) not in json.dumps(said)

    database.start()
    until(is_up(gateway), gateway)
    assert asked(gateway, "/health/ready")[0] == 200
    with Client(gateway.url, api_key=gateway.admin_key) as client:
        worker = WorkerProcess(gateway, "one", tasks="tests.system.tasks")
        try:
            until(lambda: bool(client.tasks.all()), gateway)
            assert client.call("sys.echo", {"value": "1"}, wait_s=PATIENCE_S) == "1"
        finally:
            worker.kill()
    assert gateway.stop() == 0


@pytest.mark.parametrize("wrong", ["database", "schema"])
def test_what_waiting_does_not_mend_ends_the_start_at_once(
    folder: Path, database: Postgres, gateways: list[GatewayProcess], wrong: str
) -> None:
    url = database.url("nowhere") if wrong == "database" else database.url()
    gateway = GatewayProcess(folder / "gateway", settings={"TASKGATE_DATABASE__URL": url})
    gateways.append(gateway)
    if wrong == "schema":
        database.start()
        gateway.start()
        gateway.stop()
        database.query("DELETE FROM taskgate_migrations WHERE number = 1 AND room = 'runs'")
        database.kill()
    gateway.launch()
    until(lambda: "cannot start yet" in gateway.log(), gateway)
    database.start()
    gateway.until_dead(PATIENCE_S)
    assert {"database": "STORE_MISSING", "schema": "STORE_OUTDATED"}[wrong] in gateway.log()


def test_a_gateway_that_waits_can_be_ended_and_gives_up_when_told_to(
    folder: Path, database: Postgres, gateways: list[GatewayProcess]
) -> None:
    settings = {"TASKGATE_DATABASE__URL": database.url()}
    patient = GatewayProcess(folder / "patient", settings=settings)
    hasty = GatewayProcess(folder / "hasty", settings={**settings, "TASKGATE_DATABASE__START_WAIT_S": "1"})
    gateways += [patient, hasty]
    patient.launch()
    hasty.launch()
    until(lambda: asked(patient, "/health/live")[0] == 200, patient)
    assert patient.stop() == 0
    hasty.until_dead(PATIENCE_S)
    assert f"nobody answers at 127.0.0.1:{database.port}" in hasty.log()


def test_a_gateway_starts_and_serves_without_redis_which_is_judged_when_it_comes(
    folder: Path, database: Postgres, redis: Redis, gateways: list[GatewayProcess]
) -> None:
    database.start()
    settings = {
        "TASKGATE_DATABASE__URL": database.url(),
        "TASKGATE_REDIS__URL": redis.url,
        "TASKGATE_AUTH__ROOT_SECRET": ROOT_SECRET,
    }
    gateway = GatewayProcess(folder / "gateway", settings=settings)
    gateways.append(gateway)
    gateway.start()
    status, _, said = asked(gateway, "/health/ready")
    assert (status, said["checks"]["breaker.redis"]) == (200, "open")
    worker = WorkerProcess(gateway, "one", tasks="tests.system.tasks", slots=1)
    try:
        with Client(gateway.url, api_key=gateway.admin_key) as client:
            until(lambda: bool(client.tasks.all()), gateway)
            assert client.call("sys.echo", {"value": "1"}, wait_s=PATIENCE_S) == "1"  # its worker is free: no queue
            evicting = Redis(folder / "evicting", settings={"maxmemory-policy": "allkeys-lru"})
            evicting.port = redis.port
            evicting.start()
            until(lambda: "REDIS_EVICTS" in asked(gateway, "/health/ready")[2]["checks"]["breaker.redis"], gateway)
            evicting.command("SET", "stays", "alone")
            assert client.call("sys.echo", {"value": "2"}, wait_s=PATIENCE_S) == "2"
            assert evicting.command("KEYS", "*") == "stays"
            evicting.kill()
            redis.start()
            until(lambda: asked(gateway, "/health/ready")[2]["checks"]["breaker.redis"] == "closed", gateway)
            runs = [client.submit("sys.echo", {"value": str(number)}) for number in range(40)]
            assert [run.output(timeout_s=PATIENCE_S) for run in runs] == [str(number) for number in range(40)]
            until(lambda: redis.command("EXISTS", "taskgate:board:texts") == "1", gateway)
    finally:
        worker.kill()
