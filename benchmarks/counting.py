"""What a PostgreSQL and a Redis server were asked to do, counted by themselves: no log, no extension.

PostgreSQL counts transactions, and every statement of the gateway is one, and rows that were written. A session
tells its counts at most once a second, so whoever reads them lets `SETTLE_S` pass first. Redis counts commands, those
inside scripts too.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass

from benchmarks.doors import Door, postgres_programs

SETTLE_S = 1.2
ASKED = (
    "SELECT xact_commit + xact_rollback, tup_inserted + tup_updated + tup_deleted"
    " FROM pg_stat_database WHERE datname = 'postgres'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Totals since the servers' start."""

    statements: int = 0
    written_rows: int = 0
    commands: int = 0

    def since(self, before: Count) -> Count:
        """What came in between, without the two questions of the count itself."""
        return Count(
            statements=max(0, self.statements - before.statements - 1),
            written_rows=self.written_rows - before.written_rows,
            commands=max(0, self.commands - before.commands - 1),
        )


def counted(postgres: Door, redis: Door) -> Count:
    """Both servers' counts now."""
    program, place = str(postgres_programs() / "psql"), postgres.environment["BENCH_POSTGRES"]
    command = [program, "-XqAt", "-F", " ", "-c", ASKED, place]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return Count(statements=int(said[0]), written_rows=int(said[1]), commands=_commands(redis))


def _commands(redis: Door) -> int:
    host, _, port = redis.environment["BENCH_REDIS"].removeprefix("redis://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"INFO stats\r\n")
        text = b""
        while b"total_commands_processed:" not in text or b"\r\n" not in text.partition(b"processed:")[2]:
            text += connection.recv(1 << 16)
    return int(text.partition(b"total_commands_processed:")[2].split(b"\r\n", 1)[0])
