"""A server's life in a test: one process group that is started, killed, frozen and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class Daemon:
    """The process of a server, and what it wrote. Everything started here is ended by `stop` or `kill`."""

    END = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def signal(self, number: int) -> None:
        """To the server and all of its processes: SIGSTOP freezes it, SIGCONT wakes it."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """kill -9 of every process at once: a crash."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.wait()

    def stop(self, within_s: float = 20.0) -> None:
        """The orderly end: what was committed is written."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self._process.send_signal(self.END)
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def _launch(
        self, command: Sequence[str], *, answers: Callable[[], bool], within_s: float, user: str | None = None
    ) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*as_user(user), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + within_s
        while not answers():
            assert self._process.poll() is None, self.log()[-2000:]
            assert time.monotonic() < deadline, self.log()[-2000:]
            time.sleep(0.02)


def as_user(name: str | None) -> list[str]:
    """The words before a command that give it to somebody else. A program does it: Python would have to fork for that,
    and what gRPC does in a forked child of a process that uses it may end the child."""
    return ["setpriv", "--reuid", name, "--regid", name, "--init-groups", "--"] if name else []
