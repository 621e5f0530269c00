"""Recorded calls in memory: the newest few thousand.

Forgotten with the process, like everything in this room.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.routes.records import CallFilter, CallRecord

MOST = 5000


class MemoryCallRecords:
    """CallRecords in memory. Above `most` the oldest go."""

    def __init__(self, *, most: int = MOST) -> None:
        self._by_id: dict[str, CallRecord] = {}
        self._most = most

    async def append(self, records: Sequence[CallRecord]) -> None:
        for record in records:
            self._by_id.setdefault(record.id, record)
        for record_id in sorted(self._by_id)[: max(len(self._by_id) - self._most, 0)]:
            del self._by_id[record_id]

    async def find(self, wanted: CallFilter) -> list[CallRecord]:
        found = [record for record in self._by_id.values() if _fits(record, wanted)]
        return sorted(found, key=lambda record: record.id, reverse=True)[: wanted.limit]

    async def purge(self, started_before: float, limit: int) -> int:
        old = sorted((one.started_at, one.id) for one in self._by_id.values() if one.started_at < started_before)
        for _, record_id in old[:limit]:
            del self._by_id[record_id]
        return len(old[:limit])


def _fits(record: CallRecord, wanted: CallFilter) -> bool:
    return (
        wanted.site_id in (None, record.site_id)
        and wanted.user_id in ("", record.user_id)
        and wanted.service in ("", record.service)
        and wanted.route in ("", record.route)
        and wanted.status in (None, record.status)
        and wanted.status_class in (None, record.status // 100)
        and wanted.request_id in ("", record.request_id)
        and wanted.id in ("", record.id)
        and (not wanted.cursor or record.id < wanted.cursor)
    )
