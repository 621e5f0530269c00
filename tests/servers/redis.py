"""A real Redis in a folder of its own: started, killed, frozen, emptied and ended by a test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.servers.daemon import Daemon
from tests.servers.finding import install, missing
from tests.system.cluster import free_port

START_S = 20.0


def program() -> str:
    """The path of `redis-server`."""
    for _ in range(2):
        found = shutil.which("redis-server")
        if found:
            return found
        install("redis-server")
    return missing("redis-server")


class Redis(Daemon):
    """One server; without `is_durable` it forgets everything with its process."""

    def __init__(self, folder: Path, *, is_durable: bool = False, settings: dict[str, str] | None = None) -> None:
        super().__init__(folder)
        self.port = free_port()
        wanted = {"maxmemory-policy": "noeviction", "save": "", "appendonly": "yes" if is_durable else "no"}
        wanted.update(settings or {})
        self._flags = [part for name, value in wanted.items() for part in (f"--{name}", value)]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [program(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), *self._flags]
        self._launch(command, answers=lambda: self.command("PING") == "PONG", within_s=START_S)

    def command(self, *words: str) -> str:
        """What `redis-cli` answers."""
        asked = ["redis-cli", "-p", str(self.port), "--raw", *words]
        return subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()
