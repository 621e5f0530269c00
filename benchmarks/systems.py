"""The systems that are measured beside each other: how each is started, and what it promises.

All do the same: a noop task that returns its 100-byte input, one worker command with what its documentation
calls a usual set-up, results collected by the caller. Where a system polls for results, it polls tightly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doors import Door, open_gateway, open_postgres, open_redis
from benchmarks.driver import Driver
from benchmarks.places import DRIVING, PEERS, environment
from benchmarks.processes import Process, Processes, Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One row of the table.

    peer: folder below `peers/`; door: redis, postgres, sqlite or memory (the latter two: a taskgate gateway).
    worker: its command, the program first (from the peer's environment); {NAMES} come from the door.
    durable: what is on disk when a submit is answered. bulk_count: runs of one full round.
    """

    key: str
    title: str
    peer: str
    door: str
    worker: tuple[str, ...]
    durable: str
    bulk_count: int
    prepare: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        return self.peer == "taskgate"


def _celery(pool: str, slots: int) -> tuple[str, ...]:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR")
    return ("celery", "-A", "app", "worker", "--pool", pool, "--concurrency", str(slots), *quiet)


_WEBSOCKET = ("taskgate", "worker", "--config", "{BENCH_WEBSOCKET_WORKER}")
_GRPC = ("taskgate", "worker", "--config", "{BENCH_GRPC_WORKER}")
_TASKIQ = ("taskiq", "worker", "app:broker", "--workers", "1", "--max-async-tasks", "100", "--log-level", "ERROR")
_PROCRASTINATE = ("procrastinate", "--app=app.app")

SYSTEMS = (
    System(
        key="taskgate",
        title="taskgate, SQLite FULL, WebSocket",
        peer="taskgate",
        door="sqlite",
        worker=_WEBSOCKET,
        durable="yes",
        bulk_count=10_000,
    ),
    System(
        key="taskgate-grpc",
        title="taskgate, SQLite FULL, gRPC",
        peer="taskgate",
        door="sqlite",
        worker=_GRPC,
        durable="yes",
        bulk_count=10_000,
    ),
    System(
        key="taskgate-memory",
        title="taskgate, memory, WebSocket",
        peer="taskgate",
        door="memory",
        worker=_WEBSOCKET,
        durable="no",
        bulk_count=10_000,
    ),
    System(
        key="huey",
        title="Huey, Redis, 50 threads",
        peer="huey",
        door="redis",
        worker=("huey_consumer", "app.huey", "--workers", "50", "--quiet"),
        durable="no",
        bulk_count=6_000,
    ),
    System(
        key="saq",
        title="SAQ, Redis, 50",
        peer="saq",
        door="redis",
        worker=("saq", "app.settings"),
        durable="no",
        bulk_count=5_000,
    ),
    System(
        key="dramatiq",
        title="Dramatiq, Redis, 50 threads",
        peer="dramatiq",
        door="redis",
        worker=("dramatiq", "app", "--processes", "1", "--threads", "50"),
        durable="no",
        bulk_count=5_000,
    ),
    System(
        key="taskiq",
        title="Taskiq, Redis streams, 100",
        peer="taskiq",
        door="redis",
        worker=_TASKIQ,
        durable="no",
        bulk_count=4_000,
    ),
    System(
        key="celery",
        title="Celery, Redis, prefork 2",
        peer="celery",
        door="redis",
        worker=_celery("prefork", 2),
        durable="no",
        bulk_count=2_000,
    ),
    System(
        key="celery-threads",
        title="Celery, Redis, threads 50",
        peer="celery",
        door="redis",
        worker=_celery("threads", 50),
        durable="no",
        bulk_count=2_000,
    ),
    System(
        key="procrastinate",
        title="Procrastinate, PostgreSQL, 50",
        peer="procrastinate",
        door="postgres",
        worker=(*_PROCRASTINATE, "worker", "--concurrency", "50"),
        durable="yes",
        bulk_count=1_500,
        prepare=(*_PROCRASTINATE, "schema", "--apply"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """A system that is up: whoever stands between, its worker, its caller."""

    door: Door
    worker: Process
    driver: Driver

    def check(self) -> None:
        """Trouble when one of them has ended."""
        self.door.process.check()
        self.worker.check()


@contextmanager
def raised(processes: Processes, run: Path, system: System) -> Iterator[Ensemble]:
    """The system, up and answering; ended on the way out."""
    started = list[Process]()
    try:
        door = _open(processes, run, system)
        started.append(door.process)
        programs = environment(system.peer)
        told = {**door.environment, "PYTHONPATH": f"{PEERS / system.peer}:{DRIVING}"}
        if system.prepare:
            _prepare(processes, system, programs, told)
        quiet = {name: value for name, value in told.items() if not name.startswith("TASKGATE_")}  # its file tells it
        worker = processes.start(
            f"{system.key}-worker",
            _command(system.worker, programs, told),
            environment=quiet,
            folder=PEERS / system.peer,
        )
        started.append(worker)
        caller = [programs / "python", PEERS / system.peer / "drive.py"]
        driver = Driver(processes.start(f"{system.key}-driver", caller, environment=told, folder=run, is_driver=True))
        started.append(driver.process)
        yield Ensemble(door=door, worker=worker, driver=driver)
    finally:
        for process in reversed(started):
            processes.stop(process)


def _open(processes: Processes, run: Path, system: System) -> Door:
    if system.door == "redis":
        return open_redis(processes, run)
    if system.door == "postgres":
        return open_postgres(processes, run)
    return open_gateway(processes, run, database="memory:" if system.door == "memory" else "")


def _command(parts: tuple[str, ...], programs: Path, told: dict[str, str]) -> list[str]:
    return [str(programs / parts[0]), *(part.format_map(told) for part in parts[1:])]


def _prepare(processes: Processes, system: System, programs: Path, told: dict[str, str]) -> None:
    command = _command(system.prepare, programs, told)
    process = processes.start(f"{system.key}-prepare", command, environment=told, folder=PEERS / system.peer)
    if process.popen.wait(60):
        raise Trouble(f"preparing failed: {process.last_words(2)}")
    processes.stop(process)
