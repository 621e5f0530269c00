"""Registered services in SQLite, so that routes survive a restart.

Written when a service registers, changes or leaves, never when it renews its lease.
"""

from __future__ import annotations

import apsw
import msgspec

from taskgate.routes.ports import Turn, turn_lost
from taskgate.routes.service import Service
from taskgate.runs.ports import Mandate
from taskgate.stores.sqlite.leadership import stands
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer

_service = msgspec.json.Decoder(Service)


class SqliteServiceBook:
    """ServiceBook on SQLite."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def save(self, service: Service, *, under: Turn | None = None) -> None:
        if not await self._writer.submit(_save, (service, under)):
            raise turn_lost()

    async def remove(self, name: str, *, under: Turn | None = None) -> bool:
        removed = await self._writer.submit(_remove, (name, under))
        if removed is None:
            raise turn_lost()
        return removed

    async def load(self) -> list[Service]:
        return await self._reader.submit(_load, None)


def _save(connection: apsw.Connection, items: list[tuple[Service, Turn | None]]) -> list[bool]:
    saved = []
    for service, under in items:
        saved.append(_stands(connection, under))
        if saved[-1]:
            connection.execute(sql("service_save"), (service.name, msgspec.json.encode(service)))
    return saved


def _remove(connection: apsw.Connection, items: list[tuple[str, Turn | None]]) -> list[bool | None]:
    removed: list[bool | None] = []
    for name, under in items:
        if not _stands(connection, under):
            removed.append(None)
            continue
        connection.execute(sql("service_remove"), (name,))
        removed.append(connection.changes() > 0)
    return removed


def _stands(connection: apsw.Connection, under: Turn | None) -> bool:
    return under is None or stands(connection, Mandate(duty=under.duty, epoch=under.epoch))


def _load(connection: apsw.Connection, items: list[None]) -> list[list[Service]]:
    return [[_decoded(row) for row in connection.execute(sql("services_all")).fetchall()] for _ in items]


def _decoded(row: apsw.SQLiteValues) -> Service:
    content = row[0]
    assert isinstance(content, bytes)
    return _service.decode(content)
