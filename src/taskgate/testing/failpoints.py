"""Failpoints: named moments at which a process under test kills itself, as kill -9 would.

The gateway calls a probe at each of them; in production the probe does nothing, and nothing here is imported.
`NAME:COUNT` arms one: the process dies at the COUNT-th passing of NAME.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

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


def probe_of(text: str) -> Callable[[str], None]:
    """The probe that `NAME:COUNT` describes; one that does nothing for an empty text."""
    name, _, count = text.partition(":")
    if not name:
        return lambda _: None
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
