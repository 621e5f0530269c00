"""`deploy/` as a whole, step by step and without an engine: images built, every service started with its own command,
environment, volumes and health check, in the order of the compose file, each on a host of its own.

PostgreSQL, Redis and nginx are this machine's, told what their images would be told. Long: `make soak`.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskgate import Client
from tests.hosts import compose
from tests.hosts.host import Host
from tests.hosts.images import Image, build, container
from tests.hosts.installation import until
from tests.hosts.lab import Lab
from tests.hosts.need import need_hosts
from tests.hosts.servers import ComposedPostgres
from tests.servers.finding import install
from tests.servers.redis import program

START_S = 120.0
NETWORK = "172.28.0"
USER = "10001"
SERVICES = {name: one for name, one in compose.services(compose.example()).items() if "profiles" not in one}


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory: a layer may not be part of what it lies over."""
    need_hosts()
    made = Path(tempfile.mkdtemp(prefix="taskgate-images-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made)


class Composed:
    """The services, started one by one."""

    def __init__(self, folder: Path, images: dict[str, Image]) -> None:
        self.lab = Lab(folder / "lab", network=NETWORK)
        self._folder = folder
        self._images = images
        self._hosts: dict[str, Host] = {}
        self._checks: dict[str, list[str]] = {}
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._postgres: ComposedPostgres | None = None

    def start(self, name: str) -> None:
        """What `up` does with one service: it waits for those it needs, and starts it."""
        service = SERVICES[name]
        for other, wish in service.get("depends_on", {}).items():
            if wish["condition"] == "service_healthy":
                self.until_healthy(other)
            else:
                assert self._started[other].wait(START_S) == 0, self.log(other)
        if compose.target(service):
            self._start_ours(name, service)
        else:
            self._start_theirs(name, service)

    def until_healthy(self, name: str) -> None:
        """Run its health check until it ends with 0."""
        words = self._hosts[name].command(self._checks[name])
        until(lambda: not subprocess.run(words, check=False, capture_output=True).returncode, START_S, what=name)

    def host(self, name: str) -> Host:
        return self._hosts[name]

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        if self._postgres is not None:
            self._postgres.stop()
        self.lab.close()

    def volume(self, name: str) -> Path:
        """A named volume, or the folder that stands there, made where it is missing."""
        made = self._folder / "volumes" / name.lstrip("./")
        made.mkdir(parents=True, exist_ok=True)
        return made

    def _start_ours(self, name: str, service: dict[str, Any]) -> None:
        pairs = [volume.split(":")[:2] for volume in service.get("volumes", [])]
        image, lines = container(
            self._images[compose.target(service)], name, {place: self.volume(volume) for volume, place in pairs}
        )
        self._hosts[name] = host = self.lab.host(name, 20 + len(self._hosts), prepare=lines)
        host.run(
            [
                "sh",
                "-c",
                f"cat /etc/hosts > {image.root}/etc/hosts; cat /etc/resolv.conf > {image.root}/etc/resolv.conf",
            ]
        )
        env, user = service.get("environment", {}), str(service.get("user", USER)).partition(":")[0]
        self._checks[name] = image.words(compose.health(service), env=env, user=user)
        words = image.words(compose.command(service), env=env, user=user)
        self._started[name] = host.start(words, self._folder / f"{name}.log")

    def _start_theirs(self, name: str, service: dict[str, Any]) -> None:
        env = service.get("environment", {})
        place = self.volume(name)
        if name == "nginx":
            number = int(service["networks"]["inside"]["ipv4_address"].rpartition(".")[2])
            config = compose.folder(service["volumes"][0].partition(":")[0])
            binds = {"/etc/nginx/nginx.conf": config, "/run": place, "/var/log/nginx": place}
            host = self.lab.host(name, number, binds=binds)
            host.start(["nginx", "-g", "daemon off;"], self._folder / "nginx.log")
        else:
            host = self.lab.host(name, 20 + len(self._hosts))
            if name == "postgres":
                self._postgres = ComposedPostgres(self._folder / "postgres", host, password=env["POSTGRES_PASSWORD"])
                self._postgres.start()
            else:
                assert service["command"][0] == "redis-server"
                host.start([program(), *service["command"][1:], "--dir", str(place)], self._folder / "redis.log")
        self._hosts[name] = host
        self._checks[name] = ["env", *(f"{key}={value}" for key, value in env.items()), *compose.health(service)]


@pytest.mark.soak
def test_every_part_builds_starts_and_is_healthy(memory: Path, tmp_path: Path) -> None:
    install("nginx")
    composed = Composed(tmp_path, build(memory))
    try:
        for name in SERVICES:
            composed.start(name)
        for name, service in SERVICES.items():
            if compose.health(service):
                composed.until_healthy(name)
        key = (composed.volume("gateway-1") / "admin.key").read_text().strip()
        assert not (composed.volume("gateway-2") / "admin.key").exists()
        front = composed.host("nginx").address
        with composed.host("postgres").inside(), Client(f"http://{front}:30090", key) as client:
            until(lambda: sum(worker.status == "online" for worker in client.workers.all()) == 4, START_S)
            assert {worker.transport for worker in client.workers.all()} == {"grpc", "websocket"}
            assert client.call("demo.greet", {"name": "Ada"}) == "Hello, Ada!"
        assert sorted(path.name for path in composed.volume("worker-key").iterdir()) == ["worker.key"]
    finally:
        composed.stop()
