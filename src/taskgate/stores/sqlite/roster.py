"""Workers that were ever seen, in SQLite.

Written at hello, bye and loss; who is connected now is not its business.
"""

from __future__ import annotations

from typing import Any

import apsw
import msgspec

from taskgate.fleet.ports import WorkerRecord
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer


class SqliteRoster:
    """Roster on SQLite."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def save(self, record: WorkerRecord) -> bool:
        return await self._writer.submit(_save, record)

    async def find(self, worker_id: str) -> WorkerRecord | None:
        return await self._reader.submit(_find, worker_id)

    async def all(self, site_id: str | None = None) -> list[WorkerRecord]:
        return await self._reader.submit(_all, site_id)

    async def gone(self, worker_id: str, at: float) -> None:
        await self._writer.submit(_gone, (worker_id, at))

    async def remove(self, worker_id: str) -> bool:
        return await self._writer.submit(_remove, worker_id)


def _save(connection: apsw.Connection, items: list[WorkerRecord]) -> list[bool]:
    saved: list[bool] = []
    for record in items:
        connection.execute(
            sql("worker_save"),
            (
                record.worker_id,
                record.site_id,
                record.kind,
                record.transport,
                _text(record.tasks),
                _text(record.labels),
                record.slots,
                record.key_id,
                record.first_seen_at,
                record.last_seen_at,
                record.gone_at,
                _text(record.metadata),
            ),
        )
        saved.append(connection.changes() > 0)
    return saved


def _find(connection: apsw.Connection, items: list[str]) -> list[WorkerRecord | None]:
    found = [connection.execute(sql("worker_find"), (worker_id,)).fetchall() for worker_id in items]
    return [_record(rows[0]) if rows else None for rows in found]


def _all(connection: apsw.Connection, items: list[str | None]) -> list[list[WorkerRecord]]:
    return [
        [_record(row) for row in connection.execute(sql("workers_all"), (site_id,)).fetchall()] for site_id in items
    ]


def _gone(connection: apsw.Connection, items: list[tuple[str, float]]) -> list[None]:
    for item in items:
        connection.execute(sql("worker_gone"), item)
    return [None] * len(items)


def _remove(connection: apsw.Connection, items: list[str]) -> list[bool]:
    removed: list[bool] = []
    for worker_id in items:
        connection.execute(sql("worker_remove"), (worker_id,))
        removed.append(connection.changes() > 0)
    return removed


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _record(row: tuple[Any, ...]) -> WorkerRecord:
    return WorkerRecord(
        worker_id=row[0],
        site_id=row[1],
        kind=row[2],
        transport=row[3],
        tasks=tuple(msgspec.json.decode(row[4])),
        labels=msgspec.json.decode(row[5]),
        slots=row[6],
        key_id=row[7],
        first_seen_at=row[8],
        last_seen_at=row[9],
        gone_at=row[10],
        metadata=msgspec.json.decode(row[11]),
    )
