"""Task definitions in SQLite: every one ever saved by its digest, and which are current.

A definition is kept for ever, because runs name the one that they were accepted under.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import msgspec

from taskgate.runs.task import TaskDefinition, digest_of
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer

_definition = msgspec.json.Decoder(TaskDefinition)


class SqliteCatalogue:
    """Catalogue on SQLite."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def save(self, definitions: Sequence[TaskDefinition]) -> None:
        await self._writer.submit(_save, definitions)

    async def load(self) -> list[TaskDefinition]:
        return await self._reader.submit(_load, None)

    async def find(self, digest: str) -> TaskDefinition | None:
        return await self._reader.submit(_find, digest)

    async def remove(self, site_id: str, name: str, *, version: str) -> bool:
        return await self._writer.submit(_remove, (site_id, name, version))


def _save(connection: apsw.Connection, items: list[Sequence[TaskDefinition]]) -> list[None]:
    for definitions in items:
        for definition in definitions:
            parameters = {
                "site_id": definition.site_id,
                "name": definition.name,
                "version": definition.version,
                "digest": digest_of(definition),
                "content": msgspec.json.encode(definition),
            }
            connection.execute(sql("definition_save"), parameters)
            connection.execute(sql("definition_set_current"), parameters)
    return [None] * len(items)


def _load(connection: apsw.Connection, items: list[None]) -> list[list[TaskDefinition]]:
    return [[_decoded(row) for row in connection.execute(sql("definitions_current")).fetchall()] for _ in items]


def _find(connection: apsw.Connection, items: list[str]) -> list[TaskDefinition | None]:
    found = [connection.execute(sql("definition_find"), (digest,)).fetchall() for digest in items]
    return [_decoded(rows[0]) if rows else None for rows in found]


def _remove(connection: apsw.Connection, items: list[tuple[str, str, str]]) -> list[bool]:
    removed: list[bool] = []
    for item in items:
        connection.execute(sql("definition_remove"), item)
        removed.append(connection.changes() > 0)
    return removed


def _decoded(row: apsw.SQLiteValues) -> TaskDefinition:
    content = row[0]
    assert isinstance(content, bytes)
    return _definition.decode(content)
