"""The audit log on PostgreSQL: whoever appends holds the row of its ends, so that several gateways make one chain.

Entries are only ever added, and taken from the beginning by retention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskgate.audit.chain import Ends, Link, linked
from taskgate.audit.entry import Deed, Entry
from taskgate.audit.ports import AuditFilter
from taskgate.stores.postgres.pool import Connection, Pool
from taskgate.stores.postgres.statements import columns, sql
from taskgate.stores.records import deed_row


class PostgresAuditLog:
    """AuditLog on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def append(self, deeds: Sequence[Deed]) -> list[Entry]:
        if not deeds:
            return []

        async def work(connection: Connection) -> list[Entry]:
            async with connection.transaction():
                entries = linked(_ends(await connection.fetchrow(sql("audit_hold"))).head, deeds)
                rows = [deed_row(*pair) for pair in zip(entries, deeds, strict=True)]
                await connection.execute(sql("audit_append"), *columns(rows))
                await connection.execute(sql("audit_set_head"), entries[-1].seq, entries[-1].hash)
            return entries

        return await self._pool.use(work)

    async def find(self, wanted: AuditFilter) -> list[Entry]:
        rows = await self._pool.fetch(
            sql("audit_find"),
            wanted.cursor,
            wanted.action,
            wanted.outcome,
            wanted.actor_id,
            wanted.subject,
            wanted.at_from,
            wanted.at_before,
            wanted.limit,
        )
        return [_entry(row) for row in rows]

    async def chain(self, after: int, limit: int) -> list[Entry]:
        return [_entry(row) for row in await self._pool.fetch(sql("audit_chain"), after, limit)]

    async def ends(self) -> Ends:
        return _ends((await self._pool.fetch(sql("audit_ends")))[0])

    async def purge(self, before: float, limit: int) -> int:
        async def work(connection: Connection) -> int:
            async with connection.transaction():
                ends = _ends(await connection.fetchrow(sql("audit_hold")))
                rows = await connection.fetch(sql("audit_chain"), ends.checkpoint.seq, limit)
                old = next((place for place, row in enumerate(rows) if row["at"] >= before), len(rows))
                if old:
                    last = rows[old - 1]
                    await connection.execute(sql("audit_set_checkpoint"), last["seq"], last["hash"])
                    await connection.execute(sql("audit_delete"), last["seq"])
            return old

        return await self._pool.use(work)


def _entry(row: Any) -> Entry:
    return Entry(row["seq"], row["content"], row["hash"])


def _ends(row: Any) -> Ends:
    return Ends(Link(row["checkpoint_seq"], row["checkpoint_hash"]), Link(row["head_seq"], row["head_hash"]))
