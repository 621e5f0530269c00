"""Recorded calls on SQLite: a file and a writer of their own, so that a flood of them never delays a submit.

Records are written once, whole, and read by a thread of their own; what is looked for stands beside them in columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import apsw
import msgspec

from taskgate.lifespan import Lifespan
from taskgate.routes.records import CallFilter, CallRecord
from taskgate.stores.records import call_query, call_row
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import Bulk, slices, sql
from taskgate.stores.sqlite.writer import Writer

FILE = "calls.db"
MIGRATIONS = files(__package__) / "calls_migrations"
_APPEND = Bulk("calls_append")
_record = msgspec.json.Decoder(CallRecord)


class SqliteCallRecords:
    """CallRecords on SQLite. Making it does no I/O; `start` opens, locks and migrates.

    It tells of no ailment: a gateway serves on without records.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        self._writer = Writer(path, migrations=MIGRATIONS, name="calls")
        self._reader = Reader(path, name="calls reader")
        self._life = Lifespan(self._writer, self._reader)

    async def start(self) -> None:
        await self._life.start()

    async def stop(self) -> None:
        await self._life.stop()

    async def append(self, records: Sequence[CallRecord]) -> None:
        if records:
            await self._writer.submit(_append, [call_row(record) for record in records], weight=len(records))

    async def find(self, wanted: CallFilter) -> list[CallRecord]:
        return await self._reader.submit(_find, wanted)

    async def purge(self, started_before: float, limit: int) -> int:
        return await self._writer.submit(_purge, (started_before, limit))


def _append(connection: apsw.Connection, items: list[list[tuple[Any, ...]]]) -> list[None]:
    for rows in slices(list(chain.from_iterable(items))):
        _APPEND.execute(connection, rows)
    return [None] * len(items)


def _purge(connection: apsw.Connection, items: list[tuple[float, int]]) -> list[int]:
    counts: list[int] = []
    for item in items:
        connection.execute(sql("calls_purge"), item)
        counts.append(connection.changes())
    return counts


def _find(connection: apsw.Connection, items: list[CallFilter]) -> list[list[CallRecord]]:
    return [
        [_decoded(row) for row in connection.execute(sql(call_query(one)), msgspec.structs.asdict(one))]
        for one in items
    ]


def _decoded(row: apsw.SQLiteValues) -> CallRecord:
    content = row[0]
    assert isinstance(content, bytes)
    return _record.decode(content)
