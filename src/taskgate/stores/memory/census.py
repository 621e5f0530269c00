"""Counting what is open in memory, over the state of the memory ledger.

The model of behaviour for every other census.
"""

from __future__ import annotations

from collections import Counter

from taskgate.runs.ports import QueueStanding
from taskgate.runs.run import Run, Status
from taskgate.runs.task import QueueKey
from taskgate.stores.memory.ledger import MemoryRuns


class MemoryCensus:
    """Census in memory."""

    def __init__(self, runs: MemoryRuns) -> None:
        self._runs = runs

    async def standing(self, *, site_id: str | None = None, user_id: str = "") -> list[QueueStanding]:
        open_runs: dict[tuple[str, QueueKey], list[Run]] = {}
        for run in self._runs.by_id.values():
            tenant = run.tenant
            if run.is_open and site_id in (None, tenant.site_id) and user_id in ("", tenant.user_id):
                open_runs.setdefault((tenant.site_id, run.queue), []).append(run)
        return [_standing(site, queue, runs) for (site, queue), runs in open_runs.items()]


def _standing(site_id: str, queue: QueueKey, runs: list[Run]) -> QueueStanding:
    counts = Counter(run.status for run in runs)
    return QueueStanding(
        queue=queue,
        site_id=site_id,
        scheduled_count=counts[Status.SCHEDULED],
        queued_count=counts[Status.QUEUED],
        running_count=counts[Status.RUNNING],
        oldest_at=min((run.created_at for run in runs if run.status is Status.QUEUED), default=None),
    )
