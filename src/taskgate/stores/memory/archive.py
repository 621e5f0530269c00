"""An archive in memory: the model of behaviour that every other archive must equal.

Forgotten with the process, like everything in this room.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.history.packing import headed, packed, unpacked
from taskgate.history.ports import EndedRef, HistoryFilter, Place
from taskgate.runs.run import Run
from taskgate.stores.memory.ledger import MemoryRuns


class MemoryEndedRuns:
    """EndedRuns in memory."""

    def __init__(self, runs: MemoryRuns) -> None:
        self._runs = runs

    async def ended(self, after: Place, *, until: float, limit: int) -> list[EndedRef]:
        found = [
            EndedRef(run.id, run.ended_at, run.stopped_at is not None)
            for run in self._runs.by_id.values()
            if run.ended_at is not None and run.ended_at <= until
        ]
        return sorted((ref for ref in found if ref.place > after), key=lambda ref: ref.place)[:limit]


class MemoryRunArchive:
    """RunArchive in memory."""

    def __init__(self) -> None:
        self._by_id: dict[str, Run] = {}

    async def record(self, runs: Sequence[Run]) -> None:
        for row in packed(runs):
            there = self._by_id.get(row.id)
            if there is None or (there.stopped_at is None and row.is_stopped):
                self._by_id[row.id] = unpacked(row.head, row.body)

    async def lacking(self, refs: Sequence[EndedRef]) -> list[str]:
        return [ref.id for ref in refs if self._lacks(ref)]

    async def get(self, run_ids: Sequence[str]) -> list[Run | None]:
        return [self._by_id.get(run_id) for run_id in run_ids]

    async def history(self, wanted: HistoryFilter) -> list[Run]:
        found = [headed(run) for run in self._by_id.values() if _fits(run, wanted)]
        return sorted(found, key=_place, reverse=True)[: wanted.limit]

    async def purge(self, ended_before: float, limit: int) -> int:
        old = sorted((run for run in self._by_id.values() if _place(run).ended_at < ended_before), key=_place)
        for run in old[:limit]:
            del self._by_id[run.id]
        return len(old[:limit])

    def _lacks(self, ref: EndedRef) -> bool:
        there = self._by_id.get(ref.id)
        return there is None or (ref.is_stopped and there.stopped_at is None)


def _place(run: Run) -> Place:
    return Place(run.ended_at or 0.0, run.id)


def _fits(run: Run, wanted: HistoryFilter) -> bool:
    ended_at = run.ended_at or 0.0
    attempts = [*run.attempts, *([run.current] if run.current is not None else [])]
    return (
        run.tenant.site_id == wanted.site_id
        and (not wanted.user_id or run.tenant.user_id == wanted.user_id)
        and (not wanted.task or run.task == wanted.task)
        and (wanted.status is None or run.status is wanted.status)
        and (wanted.ended_from is None or ended_at >= wanted.ended_from)
        and (wanted.ended_before is None or ended_at < wanted.ended_before)
        and (wanted.label is None or wanted.label in run.labels)
        and (not wanted.holder or any(attempt.holder == wanted.holder for attempt in attempts))
        and run.id.startswith(wanted.id_prefix)
        and (wanted.cursor is None or _place(run) < wanted.cursor)
    )
