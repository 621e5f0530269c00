"""Reading runs in memory, over the state of the memory ledger: never older than its last verb.

The values are immutable, so they are handed out as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from taskgate.runs.ports import Glance, Mandate, RunFilter
from taskgate.runs.run import Run, Status
from taskgate.stores.memory.ledger import MemoryRuns


class MemoryRunBook:
    """RunBook in memory."""

    def __init__(self, runs: MemoryRuns) -> None:
        self._runs = runs

    async def get(self, run_ids: Sequence[str]) -> list[Run | None]:
        return [self._runs.by_id.get(run_id) for run_id in run_ids]

    async def glance(self, run_ids: Sequence[str]) -> list[Glance | None]:
        runs = [self._runs.by_id.get(run_id) for run_id in run_ids]
        return [None if run is None else Glance(run.tenant.site_id, run.tenant.user_id, run.status) for run in runs]

    async def find(self, wanted: RunFilter) -> list[Run]:
        retried = {run.retry_of for run in self._runs.by_id.values()} if wanted.dead else set()
        found = [
            replace(run, attempts=())
            for run in self._runs.by_id.values()
            if _fits(run, wanted) and not (wanted.dead and (run.status is not Status.FAILED or run.id in retried))
        ]
        return sorted(found, key=lambda run: run.id, reverse=True)[: wanted.limit]

    async def count(self, site_id: str) -> dict[Status, int]:
        return dict(Counter(run.status for run in self._runs.by_id.values() if run.tenant.site_id == site_id))

    async def mark_stopped(self, run_id: str, attempt: int) -> None:
        run = self._runs.by_id.get(run_id)
        if run is not None and not run.is_open and run.attempt == attempt and run.stopped_at is None:
            self._runs.by_id[run_id] = replace(run, stopped_at=self._runs.clock.now())

    async def purge(self, ended_before: float, limit: int, *, under: Mandate | None = None) -> list[str]:
        if not self._runs.allows(under):
            return []
        old = [run for run in self._runs.by_id.values() if run.ended_at is not None and run.ended_at < ended_before]
        gone = sorted(old, key=lambda run: (run.ended_at or 0.0, run.id))[:limit]
        for run in gone:
            self._runs.delete(run)
        return [run.id for run in gone]

    async def remove(self, run_ids: Sequence[str]) -> list[str]:
        gone = []
        for run_id in run_ids:
            run = self._runs.by_id.get(run_id)
            if run is not None and not run.is_open:
                self._runs.delete(run)
                gone.append(run_id)
        return gone


def _fits(run: Run, wanted: RunFilter) -> bool:
    return (
        run.tenant.site_id == wanted.site_id
        and (not wanted.user_id or run.tenant.user_id == wanted.user_id)
        and (not wanted.task or run.task == wanted.task)
        and (wanted.status is None or run.status is wanted.status)
        and (wanted.label is None or wanted.label in run.labels)
        and (not wanted.cursor or run.id < wanted.cursor)
    )
