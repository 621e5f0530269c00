"""Where time comes from.

Rules take `now` as a value; adapters and shells are given a clock when they are built.
`now()` is wall time (epoch seconds) and is what gets stored; `monotonic()` never steps back and is
what deadlines inside one process are measured with.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time: wall seconds since the epoch, and monotonic seconds from an arbitrary start."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clock."""

    __slots__ = ()

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
