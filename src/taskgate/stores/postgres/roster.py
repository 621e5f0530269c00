"""Workers that were ever seen, in PostgreSQL.

Written at hello, bye and loss; who is connected now is not its business.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from taskgate.fleet.ports import WorkerRecord
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import sql

_worker = msgspec.json.Decoder(WorkerRecord)


class PostgresRoster:
    """Roster on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save(self, record: WorkerRecord) -> bool:
        saved = await self._pool.fetch(
            sql("worker_save"),
            record.worker_id,
            record.site_id,
            record.first_seen_at,
            record.last_seen_at,
            record.gone_at,
            msgspec.json.encode(record),
        )
        return bool(saved)

    async def find(self, worker_id: str) -> WorkerRecord | None:
        rows = await self._pool.fetch(sql("worker_find"), worker_id)
        return _record(rows[0]) if rows else None

    async def all(self, site_id: str | None = None) -> list[WorkerRecord]:
        if site_id is None:
            rows = await self._pool.fetch(sql("workers_all"))
        else:
            rows = await self._pool.fetch(sql("workers_of_site"), site_id)
        return [_record(row) for row in rows]

    async def gone(self, worker_id: str, at: float) -> None:
        await self._pool.fetch(sql("worker_gone"), worker_id, at)

    async def remove(self, worker_id: str) -> bool:
        return bool(await self._pool.fetch(sql("worker_remove"), worker_id))


def _record(row: Any) -> WorkerRecord:
    content, first_seen_at, last_seen_at, gone_at = row
    return replace(_worker.decode(content), first_seen_at=first_seen_at, last_seen_at=last_seen_at, gone_at=gone_at)
