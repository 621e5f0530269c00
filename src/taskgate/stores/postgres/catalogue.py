"""Task definitions in PostgreSQL: every one ever saved by its digest, and which are current.

A definition is kept for ever, because runs name the one that they were accepted under. Gateways save one after the
other, so that which one is the newest is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from taskgate.runs.task import TaskDefinition, digest_of
from taskgate.stores.postgres.pool import Connection, Pool
from taskgate.stores.postgres.statements import columns, sql

_definition = msgspec.json.Decoder(TaskDefinition)


class PostgresCatalogue:
    """Catalogue on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save(self, definitions: Sequence[TaskDefinition]) -> None:
        if not definitions:
            return
        contents = {digest_of(one): msgspec.json.encode(one) for one in definitions}
        current = [(*place, digest) for place, digest in _newest(definitions).items()]

        async def saved(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute(sql("definitions_lock"))
                await connection.execute(sql("definitions_save"), *columns(list(contents.items())))
                await connection.execute(sql("definitions_set_current"), *columns(current))

        await self._pool.use(saved)

    async def load(self) -> list[TaskDefinition]:
        return [_definition.decode(row[0]) for row in await self._pool.fetch(sql("definitions_current"))]

    async def find(self, digest: str) -> TaskDefinition | None:
        rows = await self._pool.fetch(sql("definition_find"), digest)
        return _definition.decode(rows[0][0]) if rows else None

    async def remove(self, site_id: str, name: str, *, version: str) -> bool:
        return bool(await self._pool.fetch(sql("definition_remove"), site_id, name, version))


def _newest(definitions: Sequence[TaskDefinition]) -> dict[tuple[str, str, str], str]:
    """The digest of every place, in the order in which they were said last."""
    found: dict[tuple[str, str, str], str] = {}
    for one in definitions:
        place = (one.site_id, one.name, one.version)
        found.pop(place, None)
        found[place] = digest_of(one)
    return found
