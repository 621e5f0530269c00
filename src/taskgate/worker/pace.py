"""How long tasks take here, and so how many runs are worth having before a task process is free for them.

While runs are short, waiting for the gateway between two of them would cost more than the runs; then enough
for about 50 ms are kept here. When they are long, nothing is taken that another worker could begin at once.
"""

from __future__ import annotations

import math

AHEAD_S = 0.05
QUEUE_S = 0.01  # work that stands in line inside one task process
MOST = 512
WEIGHT = 0.2


class Pace:
    """Moving averages of the time that runs take, per task and over all. Seconds."""

    __slots__ = ("_all_s", "_by_task")

    def __init__(self) -> None:
        self._by_task: dict[str, float] = {}
        self._all_s = math.inf

    def note(self, task: str, spent_s: float) -> None:
        """A run of this task took `spent_s`."""
        known = self._by_task.get(task)
        self._by_task[task] = spent_s if known is None else known + WEIGHT * (spent_s - known)
        self._all_s = spent_s if self._all_s == math.inf else self._all_s + WEIGHT * (spent_s - self._all_s)

    def expected_s(self, task: str) -> float:
        """How long the next run will probably take; infinity before the first."""
        return self._by_task.get(task, math.inf)

    def ahead_count(self, slots: int) -> int:
        """How many runs may wait here for `slots` task processes that are free or soon will be."""
        if not self._all_s < AHEAD_S:
            return 0
        return min(MOST - slots, int(slots * AHEAD_S / max(self._all_s, 1e-6))) if slots < MOST else 0
