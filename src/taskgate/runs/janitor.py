"""Time's own work on runs: expired leases, due timers, overdue tries, old rows, a ready queue that lost something.

Everything it finds comes from the ledger, so nothing is missed by a restart; a timer fires at least once and
takes effect once, because its move is a compare-and-set (INV-T10). A run that cannot be moved holds up no other. Tries
that take too long are ended by the gateway whose worker has them. All else is done by one janitor at a time: it leads
the duty `janitor`, and the commit of each of its moves asks whether it still does (INV-F5).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from taskgate.clock import Clock
from taskgate.errors import TaskgateError
from taskgate.fleet.fleet import Fleet
from taskgate.journal.ports import Journal
from taskgate.lifespan import TaskSet
from taskgate.runs import happenings
from taskgate.runs.alarm import Alarm
from taskgate.runs.dispatcher import Dispatcher
from taskgate.runs.duty import Duty
from taskgate.runs.leases import Leases
from taskgate.runs.ports import Applied, Mandate, RunBook, RunLedger
from taskgate.runs.reporting import Reports
from taskgate.runs.run import Run
from taskgate.runs.settings import RunSettings
from taskgate.runs.settling import Change, Settler

_log = logging.getLogger(__name__)
PAGE = 500
PURGE_PAGES = 20  # in one go, so that expiries are not kept waiting
DUTY = "janitor"


class Janitor:
    """Sweeps every `sweep_s`, and sooner when a known timer is due."""

    def __init__(
        self,
        ledger: RunLedger,
        book: RunBook,
        *,
        duty: Duty,
        leases: Leases,
        reports: Reports,
        settler: Settler,
        dispatcher: Dispatcher,
        fleet: Fleet,
        alarm: Alarm,
        clock: Clock,
        settings: RunSettings,
        journal: Journal,
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._duty = duty
        self._leases = leases
        self._reports = reports
        self._settler = settler
        self._alarm = alarm
        self._dispatcher = dispatcher
        self._fleet = fleet
        self._clock = clock
        self._settings = settings
        self._journal = journal
        self._mandate: Mandate | None = None
        self.tasks = TaskSet()

    async def start(self) -> None:
        self.tasks.spawn(self._work(), name="janitor")

    async def stop(self) -> None:
        await self.tasks.close()
        await self._duty.resign()

    async def lead(self) -> bool:
        """Take the duty, or keep it; False while another gateway has it."""
        self._mandate = await self._duty.mandate()
        return self._mandate is not None

    async def sweep(self) -> int:
        """One look at everything that is due; returns how many runs were moved."""
        await self.end_overdue()
        expired = await _pages(self._ledger.expired, self._expire)
        return expired + await _pages(self._ledger.due, self._fire)

    async def end_overdue(self) -> None:
        """End the tries of this gateway's own workers that have taken too long."""
        await self._reports.timed_out(self._leases.overdue(self._clock.monotonic()))

    async def purge(self) -> int:
        """Delete runs that ended long ago, some pages of them; returns how many."""
        count = 0
        before = self._clock.now() - self._settings.keep_ended_s
        for _ in range(PURGE_PAGES if self._settings.keep_ended_s else 0):
            gone = await self._book.purge(before, PAGE, under=self._mandate)
            if gone:
                await self._journal.purge(gone)
            count += len(gone)
            if len(gone) < PAGE:
                break
        return count

    async def _work(self) -> None:
        next_reconcile = next_purge = self._clock.monotonic() + self._settings.reconcile_s
        while True:
            await self._alarm.wait(self._settings.sweep_s)
            try:
                earlier, leads = self._mandate, await self.lead()
                has_begun = self._dispatcher.is_shared and leads and self._mandate != earlier
                if has_begun or self._clock.monotonic() >= next_reconcile:
                    next_reconcile = self._clock.monotonic() + self._settings.reconcile_s
                    # who has just begun to lead cannot know what became of what its predecessor offered
                    await self._dispatcher.reconcile(leads=leads)
                if not leads:
                    await self.end_overdue()
                    continue
                await self.sweep()
                now = self._clock.monotonic()
                if now >= next_purge:
                    is_done = await self.purge() < PURGE_PAGES * PAGE
                    next_purge = now + (max(self._settings.reconcile_s, 60.0) if is_done else 0.0)
            except TaskgateError as error:
                _log.warning("the janitor pauses: %s", error)

    async def _expire(self, runs: list[Run]) -> int:
        changes: list[Change] = []
        for run in runs:
            held = self._leases.of_run(run.id, run.attempt)
            worker_id = run.lease.holder if run.lease is not None else ""
            holder = self._fleet.find(worker_id)
            if holder is not None and held is not None and not held.accepted and holder.strike(run.task):
                _log.warning("worker %s does not begin offers of %s: it gets no more", worker_id, run.task)
            changes.append(Change(run, happenings.LeaseExpired(), worker_id))
        return await self._settle(changes, order="lost")

    async def _fire(self, runs: list[Run]) -> int:
        return await self._settle([Change(run, happenings.TimerPassed()) for run in runs], order="timeout")

    async def _settle(self, changes: list[Change], *, order: str) -> int:
        """Move the runs, then tell the holders of those that moved; a renewal that came first keeps its lease."""
        helds = [self._leases.of_run(change.run.id, change.run.attempt) for change in changes]
        count = 0
        for held, settled in zip(helds, await self._settler.settle_apart(changes, under=self._mandate), strict=True):
            if settled.verdict is Applied.APPLIED:
                count += 1
                if held is not None:
                    self._reports.release(held, order=order)
        return count


async def _pages(read: Callable[[int], Awaitable[list[Run]]], move: Callable[[list[Run]], Awaitable[int]]) -> int:
    """Move all that there is, page by page, as long as that changes anything; returns how many runs moved."""
    total = 0
    while runs := await read(PAGE):
        count = await move(runs)
        total += count
        if len(runs) < PAGE or not count:
            break
    return total
