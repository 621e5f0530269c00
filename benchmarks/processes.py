"""Starts processes, and makes sure that none of them outlives the benchmark.

Every process gets a session of its own (Ctrl-C at the terminal reaches the benchmark alone, which then stops
them in order) and dies with the benchmark if that is killed. Grandchildren whose parent died come to us, since
we are their subreaper, and are ended too.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from benchmarks.usage import started, tree

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 4.0
POLL_S = 0.02
_libc = ctypes.CDLL(None, use_errno=True)


class Trouble(Exception):
    """A step of the benchmark could not be done; the text says why, in one line."""


class Process:
    """One started process with its log; `stdin` and `stdout` are pipes where `is_driver` was asked for."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], *, log: Path, stop_signal: int) -> None:
        self.name = name
        self.popen = popen
        self.pid = popen.pid
        self.log = log
        self.stop_signal = stop_signal

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def last_words(self, count: int = 2) -> str:
        """The end of the log on one line, for a reason that a person can read."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " / ".join(line.strip() for line in lines[-count:]) or "nothing in its log"

    def check(self) -> None:
        """Trouble when the process has ended by itself."""
        if not self.is_alive:
            raise Trouble(f"{self.name} ended with {self.popen.returncode}: {self.last_words()}")


class Processes:
    """Everything that one benchmark has running. Leaving the `with` block ends it all."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Process] = []
        self._others: set[tuple[int, str]] = set()

    def __enter__(self) -> Processes:
        self._others = _family()
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half of them running
        try:
            for process in reversed(self._running[:]):
                self.stop(process)
            _end([pid for pid, at in _family() - self._others if at])
        finally:
            _libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
            signal.signal(signal.SIGINT, before)

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: str | None = None,
        is_driver: bool = False,
        stop_signal: int = signal.SIGTERM,
    ) -> Process:
        """Start a command. Its output goes to a log of that name (a driver's stdout is a pipe)."""
        log = self._logs / f"{name}.log"
        pipe = subprocess.PIPE if is_driver else None
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or output,
                stderr=output,
                env={**_inherited(), **(environment or {})},
                cwd=folder,
                user=user,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 -- the benchmark has one thread
            )
        process = Process(name, popen, log=log, stop_signal=stop_signal)
        self._running.append(process)
        return process

    def stop(self, process: Process) -> None:
        """Ask it to end, wait a moment, then end what is left of its tree."""
        members = {pid: started(pid) for pid in tree(process.pid)}
        if process.is_alive:
            process.popen.send_signal(process.stop_signal)
            try:
                process.popen.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
        _end([pid for pid, at in members.items() if pid != process.pid and at and started(pid) == at])
        for pipe in (process.popen.stdin, process.popen.stdout):
            _close(pipe)
        if process in self._running:
            self._running.remove(process)


def _family() -> set[tuple[int, str]]:
    """Everything below us, each with the moment it began; an empty one for a process that is only unburied."""
    return {(pid, started(pid)) for pid in tree(os.getpid()) if pid != os.getpid()}


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        pass


def _inherited() -> dict[str, str]:
    """Our environment without what would lead a peer, or taskgate, to other settings than the benchmark's."""
    unwanted = ("TASKGATE_", "REDIS_", "CELERY", "PYTHON", "VIRTUAL_ENV", "BROKER", "GRPC_", "DATABASE_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _end(pids: list[int]) -> None:
    """Kill, and reap those that have become our own children."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(map(started, pids)):
        time.sleep(POLL_S)
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
