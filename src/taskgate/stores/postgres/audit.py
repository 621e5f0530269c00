"""The audit log on PostgreSQL: whoever appends holds the row of its ends, so that several gateways make one chain.

Entries are only ever added, and taken from the beginning by retention. A commit whose answer was lost is asked again,
and finds by its hash what it did: an entry's hash covers its number, its content and all before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from taskgate.audit.chain import Ends, Link, linked
from taskgate.audit.entry import Deed, Entry
from taskgate.audit.ports import AuditFilter
from taskgate.errors import Unavailable
from taskgate.stores.postgres.failures import is_lost
from taskgate.stores.postgres.pool import Connection, Pool
from taskgate.stores.postgres.statements import columns, sql
from taskgate.stores.records import deed_row

PAUSE_S = 0.1


class PostgresAuditLog:
    """AuditLog on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def append(self, deeds: Sequence[Deed]) -> list[Entry]:
        if not deeds:
            return []
        entries: list[Entry] = []

        async def work(connection: Connection) -> list[Entry]:
            nonlocal entries
            async with connection.transaction():
                ends = _ends(await connection.fetchrow(sql("audit_hold")))
                if not (entries and await _stands(connection, entries[-1])):
                    entries = linked(ends.head, deeds)
                    rows = [deed_row(*pair) for pair in zip(entries, deeds, strict=True)]
                    await connection.execute(sql("audit_append"), *columns(rows))
                    await connection.execute(sql("audit_set_head"), entries[-1].seq, entries[-1].hash)
            return entries

        clock = asyncio.get_running_loop().time
        until, is_known = clock() + self._pool.patience_s, True
        while True:
            try:
                return await self._pool.use(work)
            except Unavailable as error:
                is_known = is_known and not (entries and error.__cause__ is not None and is_lost(error.__cause__))
                if is_known or clock() >= until:
                    raise
                await asyncio.sleep(PAUSE_S)

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


async def _stands(connection: Connection, entry: Entry) -> bool:
    """Whether this very entry is in the log."""
    return bool(await connection.fetchval(sql("audit_hash"), entry.seq) == entry.hash)


def _entry(row: Any) -> Entry:
    return Entry(row["seq"], row["content"], row["hash"])


def _ends(row: Any) -> Ends:
    return Ends(Link(row["checkpoint_seq"], row["checkpoint_hash"]), Link(row["head_seq"], row["head_hash"]))
