"""What a gateway counts about its runs, stores and links: plain integers, added to where things happen.

A task's name is a label only while few are known (`limit`); what comes later is counted as `other`, so that no
caller can make a scrape large by inventing names. Tenants are no labels at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from time import monotonic

from taskgate.bus import Bus
from taskgate.events import RunAccepted, RunFinished, RunMoved, WorkerJoined, WorkerLeft
from taskgate.histogram import SLOW_S, Histogram
from taskgate.runs.run import Run

OTHER = "other"


class Numbers:
    """Everything that is counted by hand; metered ports and the bus add to it."""

    def __init__(self, *, limit: int = 100) -> None:
        self._limit = limit
        self._tasks: set[str] = set()
        self.accepted: Counter[str] = Counter()
        self.ended: Counter[tuple[str, str]] = Counter()
        self.moved: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.leases: Counter[str] = Counter()
        self.joined: Counter[str] = Counter()
        self.left_count = 0
        self.journal: Counter[str] = Counter()
        self.waited = Histogram(SLOW_S)
        self.lasted = Histogram(SLOW_S)
        self.verbs: dict[tuple[str, str], Histogram] = {}
        self.failures: Counter[tuple[str, str]] = Counter()
        self.away: dict[str, bool] = {}
        self.leads: dict[str, int] = {}
        self.led_until: dict[str, float] = {}

    def listen(self, bus: Bus) -> None:
        """Count what the bus tells from now on."""
        bus.subscribe(RunAccepted, self._accepted)
        bus.subscribe(RunFinished, self._finished)
        bus.subscribe(RunMoved, self._moved)
        bus.subscribe(WorkerJoined, self._joined)
        bus.subscribe(WorkerLeft, self._left)

    def verb(self, port: str, name: str) -> Histogram:
        """How long this verb of a store takes."""
        histogram = self.verbs.get((port, name))
        if histogram is None:
            histogram = self.verbs[port, name] = Histogram()
        return histogram

    def led(self, duties: Collection[str]) -> list[str]:
        """Those of these duties that are led from here, by name; a term that ran out is over."""
        now = monotonic()
        return sorted(duty for duty in duties if self.leads.get(duty) and now < self.led_until.get(duty, 0.0))

    def _accepted(self, event: RunAccepted) -> None:
        self.accepted[self._label(event.run.task)] += 1

    def _finished(self, event: RunFinished) -> None:
        run: Run = event.run
        self.ended[self._label(run.task), run.status.value] += 1
        if run.ended_at is not None:
            self.lasted.took(max(0.0, run.ended_at - run.created_at))
        if run.started_at is not None:
            self.waited.took(max(0.0, run.started_at - (run.due_at or run.created_at)))

    def _moved(self, event: RunMoved) -> None:
        self.moved[event.run.status.value] += 1

    def _joined(self, event: WorkerJoined) -> None:
        self.joined[event.transport] += 1

    def _left(self, _: WorkerLeft) -> None:
        self.left_count += 1

    def _label(self, task: str) -> str:
        if task not in self._tasks:
            if len(self._tasks) >= self._limit:
                return OTHER
            self._tasks.add(task)
        return task
