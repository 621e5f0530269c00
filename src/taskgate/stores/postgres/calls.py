"""Recorded calls on PostgreSQL, through connections that the ledger does not wait for.

Records are written once, whole; what is looked for stands beside them in columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from taskgate.routes.records import CallFilter, CallRecord
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import columns, sql
from taskgate.stores.records import call_query, call_row

WRITE_S = 10.0  # nobody waits for a record
LAST = "\U0010ffff"  # behind every id
_record = msgspec.json.Decoder(CallRecord)


class PostgresCallRecords:
    """CallRecords on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def append(self, records: Sequence[CallRecord]) -> None:
        if not records:
            return
        table = list(columns([call_row(record) for record in records]))
        await self._pool.use(lambda connection: connection.execute(sql("calls_append"), *table), patience_s=WRITE_S)

    async def find(self, wanted: CallFilter) -> list[CallRecord]:
        arguments: list[Any] = [
            wanted.cursor or LAST,
            wanted.limit,
            wanted.user_id,
            wanted.service,
            wanted.route,
            wanted.status,
            wanted.status_class,
            wanted.site_id,
        ]
        if name := wanted.request_id or wanted.id:
            arguments.append(name)
        return [_record.decode(row[0]) for row in await self._pool.fetch(sql(call_query(wanted)), *arguments)]

    async def purge(self, started_before: float, limit: int) -> int:
        def purged(connection: Any) -> Any:
            return connection.fetchval(sql("calls_purge"), started_before, limit)

        return int(await self._pool.use(purged, patience_s=WRITE_S))
