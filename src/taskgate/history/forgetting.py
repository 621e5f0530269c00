"""Forgetting what was said of runs: their journals and uploaded logs, when their time is over or their run is gone.

Whoever deletes a run deletes what was said of it first, so that a crash in between leaves a run, which is deleted
again. This walk is the other half: along the journals themselves, of runs that are old enough, it finds those whose
run ended `keep_s` ago and those whose run is not there at all, however that came to be. What it finds it purges, so
the next walk is short; a journal of an open run, of one that ended late, or of one that an archive which is away keeps
in the ledger, is passed by.

One gateway does it at a time (the duty `journals`). Two that believed to lead would purge the same journals.
"""

from __future__ import annotations

import asyncio
import logging

from taskgate.clock import Clock
from taskgate.errors import TaskgateError
from taskgate.ids import id_floor, is_id
from taskgate.journal.ports import Journal
from taskgate.lifespan import TaskSet
from taskgate.runs.duty import Duty
from taskgate.runs.ports import RunBook
from taskgate.runs.run import OPEN

_log = logging.getLogger(__name__)
DUTY = "journals"
PAGE = 100
SWEEP_S = 60.0
SHORTEST_S = 3600.0  # whoever held the run may still say something for a while


class Forgetting:
    """A part. `keep_s` after its end a run has no journal any more, 0: it has one for as long as it is there.
    `runs_kept_s` is how long that is at least."""

    def __init__(
        self, journal: Journal, book: RunBook, *, duty: Duty, clock: Clock, keep_s: float, runs_kept_s: float
    ) -> None:
        self._journal = journal
        self._book = book
        self._duty = duty
        self._clock = clock
        self._keep_s = max(keep_s, SHORTEST_S) if keep_s else 0.0
        self._age_s = self._keep_s or max(runs_kept_s, SHORTEST_S)
        self.tasks = TaskSet()

    async def start(self) -> None:
        self.tasks.spawn(self._work(), name="forgetting journals")

    async def stop(self) -> None:
        await self.tasks.close()
        try:
            await self._duty.resign()
        except TaskgateError as error:
            _log.warning("the duty of forgetting journals ends by itself: %s", error)

    async def sweep(self) -> int:
        """Walk once; returns how many journals were purged."""
        now = self._clock.now()
        ended_before = now - self._keep_s if self._keep_s else 0.0
        after, before, count = "", id_floor(now - self._age_s), 0
        while subjects := await self._journal.stored(after, before, limit=PAGE):
            after = subjects[-1]
            over = await self._over([subject for subject in subjects if is_id(subject)], ended_before)
            await self._journal.purge(over)
            count += len(over)
        return count

    async def _over(self, run_ids: list[str], ended_before: float) -> list[str]:
        """Those whose run is gone, or ended before that moment."""
        over = []
        for run_id, glance in zip(run_ids, await self._book.glance(run_ids), strict=True):
            if glance is None or (
                glance.status not in OPEN and ended_before and await self._ended(run_id, ended_before)
            ):
                over.append(run_id)
        return over

    async def _ended(self, run_id: str, before: float) -> bool:
        (run,) = await self._book.get([run_id])  # one by one: whole runs may be large
        return run is None or (run.ended_at is not None and run.ended_at < before)

    async def _work(self) -> None:
        while True:
            try:
                if await self._duty.mandate() is not None and (count := await self.sweep()):
                    _log.info("%d journals of runs that ended long ago were deleted", count)
            except TaskgateError as error:
                _log.warning("journals are kept for longer: %s", error)
            await asyncio.sleep(SWEEP_S)
