"""A real PostgreSQL in a folder of its own: started, killed, frozen and ended by a test.

The binaries may stand outside PATH (Debian keeps them by version), and the server refuses to run as root: then it
runs as `postgres`, which the package made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import weakref
from pathlib import Path

import pytest

from tests.servers.daemon import Daemon, as_user
from tests.servers.finding import install, missing
from tests.system.cluster import free_port

START_S = 30.0
QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off")
USER = "taskgate"


def binaries() -> Path:
    """The folder of `initdb`, `postgres` and `pg_ctl`, the newest version there is."""
    for _ in range(2):
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
        if folders:
            return folders[-1].parent
        on_path = shutil.which("initdb")
        if on_path:
            return Path(on_path).parent
        install("postgresql")
    return missing("postgresql")


class Postgres(Daemon):
    """One server. `is_quick`: nothing is forced to the disk, for tests that do not cut its life short."""

    END = signal.SIGINT  # open connections are cut

    def __init__(self, folder: Path, *, is_quick: bool = False, settings: dict[str, str] | None = None) -> None:
        super().__init__(_usable(self, folder))
        self.port = free_port()
        self._bin = binaries()
        self._options = [*(QUICK if is_quick else ()), *_flags(settings or {})]
        self._databases = 0
        self._owner = _owner(self.folder)
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        command = [str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        command += ["-h", "127.0.0.1", "-p", str(self.port), "-c", "max_connections=200", *self._options]
        self._launch(command, answers=self.answers, within_s=START_S, user=self._owner)

    def signal(self, number: int) -> None:
        """To the server and all of its processes, which it puts into groups of their own."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in [self.pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def answers(self) -> bool:
        asked = ["-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-t", "1"]
        return subprocess.run([str(self._bin / "pg_isready"), *asked], check=False).returncode == 0

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.query(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def query(self, text: str, *, url: str = "") -> str:
        """Run SQL as an administrator; rows as lines, columns apart by |."""
        command = [
            str(self._bin / "psql"),
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            text,
            url or self.url(),
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _run(self, name: str, *arguments: str) -> None:
        made = subprocess.run(
            [*as_user(self._owner), str(self._bin / name), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd="/tmp",
        )
        if made.returncode:
            pytest.fail(f"{name}: {made.stderr[-2000:]}")


def _usable(server: Postgres, folder: Path) -> Path:
    """A folder that the server's user can reach: pytest's own are closed to all but root, again and again."""
    if os.getuid() != 0:
        return folder
    place = Path(tempfile.mkdtemp(prefix="taskgate-postgres-"))
    place.chmod(0o755)
    weakref.finalize(server, shutil.rmtree, place, ignore_errors=True)
    return place / folder.name


def _owner(folder: Path) -> str | None:
    """Who has to run the server, and has its folder then."""
    if os.getuid() != 0:
        return None
    shutil.chown(folder, "postgres", "postgres")
    return "postgres"


def _flags(settings: dict[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
