"""taskgate as it stands in one place: one gateway with everything embedded, or several on PostgreSQL and Redis."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doors import Door, open_gateway, open_postgres, open_redis, program
from benchmarks.driver import Driver
from benchmarks.places import DRIVING, PEERS
from benchmarks.processes import Process, Processes

PEER = PEERS / "taskgate"
NAMES = ("gateway-a", "gateway-b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Gateways that are up, and the servers below them (none: everything is embedded)."""

    gateways: Sequence[Door]
    postgres: Door | None
    redis: Door | None

    def check(self) -> None:
        """Trouble when one of them has ended."""
        for door in (*self.gateways, self.postgres, self.redis):
            if door is not None:
                door.process.check()


@contextmanager
def installed(processes: Processes, run: Path, *, gateway_count: int, is_embedded: bool) -> Iterator[Installation]:
    """All of it, up and answering; ended on the way out. PostgreSQL flushes every commit, as it does by default."""
    begun: list[Door] = []
    try:
        if is_embedded:
            begun.append(open_gateway(processes, run, name=NAMES[0]))
            yield Installation(gateways=begun[:1], postgres=None, redis=None)
            return
        begun += [open_postgres(processes, run)]
        begun += [open_redis(processes, run)]
        settings = {
            "TASKGATE_REDIS__URL": begun[1].environment["BENCH_REDIS"],
            "TASKGATE_AUTH__ROOT_SECRET": secrets.token_hex(32),
        }
        parts = dict(word.split("=") for word in begun[0].environment["BENCH_POSTGRES"].split())
        database = "postgresql://{user}@{host}:{port}/{dbname}".format_map(parts)
        gateways: list[Door] = []
        for name in NAMES[:gateway_count]:
            keys_of = gateways[0] if gateways else None
            gateways.append(
                open_gateway(processes, run, name=name, database=database, settings=settings, keys_of=keys_of)
            )
            begun.append(gateways[-1])
        yield Installation(gateways=gateways, postgres=begun[0], redis=begun[1])
    finally:
        for door in reversed(begun):
            processes.stop(door.process)


@contextmanager
def worked(processes: Processes, run: Path, gateways: Sequence[Door]) -> Iterator[tuple[list[Process], list[Driver]]]:
    """A real worker and a caller at each of the gateways."""
    workers: list[Process] = []
    drivers: list[Driver] = []
    try:
        for number, door in enumerate(gateways):
            told = {"PYTHONPATH": f"{PEER}:{DRIVING}"}
            command: list[str | Path] = [
                program("taskgate"),
                "worker",
                "--config",
                door.environment["BENCH_WEBSOCKET_WORKER"],
            ]
            workers.append(processes.start(f"worker-{number}", command, environment=told, folder=PEER))
            told = {**door.environment, **told}
            caller: list[str | Path] = [sys.executable, PEER / "drive.py"]
            process = processes.start(f"caller-{number}", caller, environment=told, folder=run, is_driver=True)
            drivers.append(Driver(process))
        yield workers, drivers
    finally:
        for process in (*workers, *(driver.process for driver in drivers)):
            processes.stop(process)
