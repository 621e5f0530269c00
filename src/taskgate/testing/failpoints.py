"""Failpoints: named moments at which a process under test kills itself, as kill -9 would.

The gateway calls a probe at each of them; in production the probe does nothing, and nothing here is imported.
`NAME:COUNT` arms one: the process dies at the COUNT-th passing of NAME. `stall:FILE` kills nobody: as long as the file
is there, the threads of the store hang before every commit and every read, as on a disk that answers no more.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

POINTS = (
    "before_commit",
    "after_commit",
    "add|offer",
    "take|claim",
    "claim|send",
    "result|apply",
    "apply|effects",
    "apply|ack",
)
STALL = "stall"
STALLED = ("before_commit", "before_read")


def probe_of(text: str) -> Callable[[str], None]:
    """The probe that `NAME:COUNT` describes; one that does nothing for an empty text."""
    name, _, count = text.partition(":")
    if not name:
        return lambda _: None
    if name == STALL:
        return Stall(Path(count))
    if name not in POINTS:
        raise ValueError(f"no failpoint {name!r}; there are {', '.join(POINTS)}")
    return Failpoint(name, int(count or "1"))


class Failpoint:
    """Kills this process at the n-th passing of one point."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._left = count

    def __call__(self, name: str) -> None:
        if name == self._name:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Stall:
    """Holds every thread of the store while `file` is there."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, name: str) -> None:
        while name in STALLED and self._file.exists():
            time.sleep(0.01)
