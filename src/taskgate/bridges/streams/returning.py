"""Ends of runs go back to the scheduler: at once where this gateway ended them, by a sweep where news were lost.

A result is put back by one step of Redis that marks it, so it comes once however many gateways and sweeps try.
A run stands in `open` from its acceptance until then: what a crash left there, the next sweep finds.
"""

from __future__ import annotations

import asyncio
import logging

from taskgate.bridges.settings import StreamsSettings
from taskgate.bridges.streams.answers import result_of
from taskgate.bridges.streams.scheduler import Scheduler
from taskgate.errors import NotNow, StoreError
from taskgate.events import RunFinished
from taskgate.runs.ports import RunBook
from taskgate.runs.run import OPEN, Run

_log = logging.getLogger(__name__)
WAITING = 10_000


class Returner:
    """Puts results back; hears of ends by `told`, and looks for others in `sweep`."""

    def __init__(self, scheduler: Scheduler, book: RunBook, *, submitted_by: str, settings: StreamsSettings) -> None:
        self._scheduler = scheduler
        self._book = book
        self._submitted_by = submitted_by
        self._settings = settings
        self._ended: asyncio.Queue[Run] = asyncio.Queue(WAITING)
        self.returned_count = 0

    def told(self, event: RunFinished) -> None:
        """A run has ended in this process. Never waits: what finds no place is found by the sweep."""
        if event.run.submitted_by == self._submitted_by and not self._ended.full():
            self._ended.put_nowait(event.run)

    async def work(self) -> None:
        """Put back what `told` brings, for ever."""
        while True:
            run = await self._ended.get()
            try:
                await self._give(run)
            except (NotNow, StoreError):
                await asyncio.sleep(1.0)  # the sweep will find it

    async def sweep(self) -> int:
        """Look at every run without a result there; returns how many results were put back."""
        count = 0
        async for page in self._scheduler.kept("open"):
            run_ids = list(page)
            glances = await self._book.glance(run_ids)
            ended = [one for one, seen in zip(run_ids, glances, strict=True) if seen and seen.status not in OPEN]
            for run in await self._book.get(ended) if ended else ():
                if run is not None:
                    count += await self._give(run)
            for run_id in (one for one, seen in zip(run_ids, glances, strict=True) if seen is None):
                await self._forget(run_id, page[run_id])
        return count

    async def _give(self, run: Run) -> bool:
        is_new = await self._scheduler.finish(run.id, result_of(run), keep_s=self._settings.keep_s)
        self.returned_count += is_new
        return is_new

    async def _forget(self, run_id: str, order_id: str) -> None:
        """A run that the ledger does not know any more: somebody purged it before its result was back."""
        _log.error("run %s of the scheduler's %s is gone from the ledger; its result is lost", run_id, order_id)
        lost = {
            "run_id": order_id,
            "task_id": order_id,
            "worker_id": "",
            "status": "failed",
            "exit_code": "1",
            "error_message": "RUN_GONE: the run was removed before its result could be told",
            "taskgate_run_id": run_id,
        }
        await self._scheduler.finish(run_id, lost, keep_s=self._settings.keep_s)
