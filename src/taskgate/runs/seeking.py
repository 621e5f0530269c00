"""Which connected workers look for work: those that may have credit.

A set that errs on one side only: whoever has credit is in it, and whoever in it has none is found out by looking.
It exists so that a search never walks through the whole fleet for one worker that got free.
"""

from __future__ import annotations

from collections.abc import Iterable

from taskgate.fleet.fleet import Fleet
from taskgate.fleet.holder import Holder


class Seekers:
    """Workers that may have credit, by id."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._rich: dict[str, Holder] = {}

    def add(self, holder: Holder) -> None:
        """This worker may have credit."""
        self._rich[holder.id] = holder

    def of(self, tasks: Iterable[str]) -> list[Holder]:
        """Workers with credit that offer one of these tasks, the least loaded first.

        Looks at the shorter of two lists, those that seek and those that offer the task: a task that nobody serves,
        or a fleet that is busy, costs next to nothing however many workers are connected.
        """
        found: dict[str, Holder] = {}
        rich = self._rich
        for task in tasks:
            able = self._fleet.by_task.get(task, {})
            for worker_id in tuple(able if len(able) < len(rich) else rich):
                holder = rich.get(worker_id)
                if holder is None:
                    continue
                if self._fleet.find(worker_id) is not holder or holder.free <= 0:
                    del rich[worker_id]
                elif worker_id in able:
                    found[worker_id] = holder
        return sorted(found.values(), key=burden)


def burden(holder: Holder) -> float:
    """How loaded a worker is relative to its slots: fewer held runs per slot first."""
    return len(holder.held) / max(holder.slots, 1)
