"""Workers that were ever seen, in memory.

Who is connected now is not its business: it only remembers.
"""

from __future__ import annotations

from dataclasses import replace

from taskgate.fleet.ports import WorkerRecord


class MemoryRoster:
    """Roster in memory."""

    def __init__(self) -> None:
        self._by_id: dict[str, WorkerRecord] = {}

    async def save(self, record: WorkerRecord) -> bool:
        earlier = self._by_id.get(record.worker_id)
        if earlier is not None and earlier.site_id != record.site_id:
            return False
        first_seen_at = record.first_seen_at if earlier is None else earlier.first_seen_at
        self._by_id[record.worker_id] = replace(record, first_seen_at=first_seen_at)
        return True

    async def find(self, worker_id: str) -> WorkerRecord | None:
        return self._by_id.get(worker_id)

    async def all(self, site_id: str | None = None) -> list[WorkerRecord]:
        found = [record for record in self._by_id.values() if site_id is None or record.site_id == site_id]
        return sorted(found, key=lambda record: record.worker_id)

    async def gone(self, worker_id: str, at: float) -> None:
        record = self._by_id.get(worker_id)
        if record is not None:
            self._by_id[worker_id] = replace(record, gone_at=at, last_seen_at=at)

    async def remove(self, worker_id: str) -> bool:
        return self._by_id.pop(worker_id, None) is not None
