"""What happens to runs at one gateway and matters at another: ends that somebody waits for, leases that are void.

A gateway tells the others the ids of the runs that it moved, many in one message, after the commit. A gateway that
hears an id asks the ledger about it, and only if somebody waits for that run here or a worker here holds it: news
only say where to look, the ledger says what is true. So news that come late, twice or out of order change nothing that
stands, and news that were lost are made up for by looking at everything that matters here (`GAP`), by callers who ask
again and by leases, which end by themselves.

Who wins: whatever the ledger committed first. A lease is dropped here only if the ledger has no such lease any more,
and never one that is newer than what was read.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Iterable

from taskgate.bus import Bus
from taskgate.errors import NotNow, StoreError
from taskgate.events import RunFinished, RunMoved
from taskgate.fleet.fleet import Fleet
from taskgate.lifespan import TaskSet
from taskgate.runs.leases import Held, Leases
from taskgate.runs.ports import GAP, RunBook, Signals, Subscription
from taskgate.runs.reporting import Reports
from taskgate.runs.run import Outcome, Run, Status
from taskgate.runs.waiting import Waiters

_log = logging.getLogger(__name__)
TOPIC = "runs"
PAGE = 500
PAUSE_S = 0.2
ORDERS = {Status.CANCELLED: "cancelled", Status.TIMED_OUT: "timeout"}


class Tidings:
    """A part of a gateway that is not alone; `name` is its own."""

    def __init__(
        self,
        signals: Signals,
        book: RunBook,
        *,
        name: str,
        bus: Bus,
        leases: Leases,
        waiters: Waiters,
        reports: Reports,
        fleet: Fleet,
    ) -> None:
        self._signals = signals
        self._book = book
        self._name = name
        self._leases = leases
        self._waiters = waiters
        self._reports = reports
        self._fleet = fleet
        self._moved: dict[str, None] = {}
        self._heard: dict[str, None] = {}
        self._to_tell = asyncio.Event()
        self._to_read = asyncio.Event()
        self.tasks = TaskSet()
        bus.subscribe(RunFinished, self._note)
        bus.subscribe(RunMoved, self._note)

    async def start(self) -> None:
        self.tasks.spawn(self._listen(self._signals.subscribe(TOPIC)), name="news of runs")
        self.tasks.spawn(self._tell(), name="telling of runs")
        self.tasks.spawn(self._read(), name="reading runs that others moved")

    async def stop(self) -> None:
        """What was not told yet is told; nothing more is heard."""
        await self.tasks.close()
        while self._moved:
            await self._publish()

    def _note(self, event: RunFinished | RunMoved) -> None:
        self._moved[event.run.id] = None
        self._to_tell.set()

    async def _tell(self) -> None:
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            while self._moved:
                await self._publish()

    async def _publish(self) -> None:
        ids = list(itertools.islice(self._moved, PAGE))
        for run_id in ids:
            del self._moved[run_id]
        await self._signals.publish(TOPIC, "\n".join([self._name, *ids]).encode("ascii"))

    async def _listen(self, news: Subscription) -> None:
        try:
            while True:
                message = await news.next()
                if message == GAP:
                    self._look_at([*self._waiters.run_ids(), *self._leases])
                    continue
                sender, *ids = message.decode("ascii", "replace").split("\n")
                if sender != self._name:
                    self._look_at(ids)
        finally:
            news.close()

    def _look_at(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            if run_id in self._waiters or self._leases.of_run(run_id) is not None:
                self._heard[run_id] = None
        if self._heard:
            self._to_read.set()

    async def _read(self) -> None:
        while True:
            await self._to_read.wait()
            self._to_read.clear()
            while ids := list(itertools.islice(self._heard, PAGE)):
                for run_id in ids:  # forgotten before the reading: what is heard meanwhile is read again
                    del self._heard[run_id]
                try:
                    runs = await self._book.get(ids)
                except (NotNow, StoreError) as error:
                    self._heard.update(dict.fromkeys(ids))
                    _log.warning("%d runs that others moved wait for the store: %s", len(self._heard), error)
                    await asyncio.sleep(PAUSE_S)
                    continue
                for run in runs:
                    if run is not None:
                        self._follow(run)

    def _follow(self, run: Run) -> None:
        held = self._leases.of_run(run.id)
        if held is not None and held.run.attempt <= run.attempt and not _stands(held, run):
            self._void(held, run)
        if not run.is_open:
            self._waiters.tell(run)

    def _void(self, held: Held, run: Run) -> None:
        """The lease is over, by somebody else's hand: its worker is told to stop, unless it reported the end itself."""
        last = _attempt_outcome(run, held.run.attempt)
        holder = self._fleet.find(held.worker_id)
        if last is Outcome.NOT_STARTED and not held.accepted and holder is not None and holder.strike(run.task):
            _log.warning("worker %s does not begin offers of %s: it gets no more", held.worker_id, run.task)
        if last in (Outcome.SUCCEEDED, Outcome.FAILED):
            self._reports.release(held)
        else:
            order = "timeout" if last is Outcome.TIMED_OUT else ORDERS.get(run.status, "lost")
            self._reports.release(held, order=order)


def _stands(held: Held, run: Run) -> bool:
    token = held.run.lease.token if held.run.lease is not None else ""
    return run.lease is not None and run.attempt == held.run.attempt and run.lease.token == token


def _attempt_outcome(run: Run, number: int) -> Outcome | None:
    """How that attempt ended, None while it runs or when it is not kept."""
    attempts = run.attempts if run.current is None else (*run.attempts, run.current)
    return next((attempt.outcome for attempt in attempts if attempt.number == number), None)
