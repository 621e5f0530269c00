"""What callers get about queues, as shapes.

Names are stable: scalers are pointed at them by path.
"""

from __future__ import annotations

from taskgate.edge.http.shapes import Given


class QueueShape(Given):
    """One queue: runs that any of the same workers may take. Workers are those of the gateway that answers."""

    name: str
    task: str
    version: str
    labels: dict[str, str]
    depth: int
    scheduled: int
    running: int
    oldest_age_s: float
    workers: int
    slots_free: int


class QueueTotals(Given):
    """The queues of this answer together; the age is that of the run that waits longest."""

    depth: int
    scheduled: int
    running: int
    oldest_age_s: float


class QueuesShape(Given):
    """Queues by name, those in which nothing waits too."""

    queues: list[QueueShape]
    totals: QueueTotals
