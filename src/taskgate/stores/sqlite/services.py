"""Registered services in SQLite, so that routes survive a restart.

Written when a service registers, changes or leaves, never when it renews its lease.
"""

from __future__ import annotations

import apsw
import msgspec

from taskgate.routes.service import Service
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer

_service = msgspec.json.Decoder(Service)


class SqliteServiceBook:
    """ServiceBook on SQLite."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def save(self, service: Service) -> None:
        await self._writer.submit(_save, service)

    async def remove(self, name: str) -> bool:
        return await self._writer.submit(_remove, name)

    async def load(self) -> list[Service]:
        return await self._reader.submit(_load, None)


def _save(connection: apsw.Connection, items: list[Service]) -> list[None]:
    for service in items:
        connection.execute(sql("service_save"), (service.name, msgspec.json.encode(service)))
    return [None] * len(items)


def _remove(connection: apsw.Connection, items: list[str]) -> list[bool]:
    removed: list[bool] = []
    for name in items:
        connection.execute(sql("service_remove"), (name,))
        removed.append(connection.changes() > 0)
    return removed


def _load(connection: apsw.Connection, items: list[None]) -> list[list[Service]]:
    return [[_decoded(row) for row in connection.execute(sql("services_all")).fetchall()] for _ in items]


def _decoded(row: apsw.SQLiteValues) -> Service:
    content = row[0]
    assert isinstance(content, bytes)
    return _service.decode(content)
