"""How busy this machine is, for heartbeats: read from /proc, with values that mean nothing where there is none.

It only measures: no run is refused because of it, and a machine without /proc works all the same.
"""

from __future__ import annotations

import os

from taskgate.wire.messages import Load


class LoadMeter:
    """Processor time between two readings, and memory now."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._busy, self._all = self._times()

    def read(self, *, running: int, waiting: int) -> Load:
        """Fractions of 0..1 since the last reading; `running` and `waiting` are the caller's own counts."""
        busy, everything = self._times()
        spent, passed = busy - self._busy, everything - self._all
        self._busy, self._all = busy, everything
        cpu = min(1.0, max(0.0, spent / passed)) if passed > 0 else 0.0
        return Load(cpu=round(cpu, 3), memory=round(self._memory(), 3), running=running, waiting=waiting)

    def _times(self) -> tuple[int, int]:
        """(busy, all) ticks of all processors together."""
        try:
            with open(os.path.join(self._proc, "stat")) as stat:
                ticks = [int(tick) for tick in stat.readline().split()[1:9]]
        except (OSError, ValueError):
            return 0, 0
        return sum(ticks) - sum(ticks[3:5]), sum(ticks)

    def _memory(self) -> float:
        try:
            with open(os.path.join(self._proc, "meminfo")) as meminfo:
                sizes = {line.partition(":")[0]: int(line.split()[1]) for line in meminfo}
            return 1.0 - sizes["MemAvailable"] / sizes["MemTotal"]
        except (OSError, ValueError, KeyError, IndexError):
            return 0.0
