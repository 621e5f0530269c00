"""The archive on SQLite: a file and a writer of its own, so that history never delays a submit.

Rows are written once, whole, by a few statements for many; what is read by id and what has to search have a thread
each.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import apsw
import msgspec
from msgspec.structs import astuple

from taskgate.history.packing import LAST, packed, portions, unpacked, unpacked_head, wanted_values
from taskgate.history.ports import EndedRef, HistoryFilter, Place
from taskgate.lifespan import Lifespan
from taskgate.runs.run import Run
from taskgate.stores.records import archive_query
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.reading import one
from taskgate.stores.sqlite.statements import Bulk, slices, sql
from taskgate.stores.sqlite.writer import Writer

FILE = "archive.db"
MIGRATIONS = files(__package__) / "archive_migrations"
DELETED_AT_ONCE = 100
_RECORD = Bulk("archive_record")


class SqliteEndedRuns:
    """EndedRuns on SQLite."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def ended(self, after: Place, *, until: float, limit: int) -> list[EndedRef]:
        return await self._reader.submit(_ended, (*after, until, limit))


class SqliteRunArchive:
    """RunArchive on SQLite. Making it does no I/O; `start` opens, locks and migrates."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        self._writer = Writer(path, migrations=MIGRATIONS, name="archive")
        self._reader = Reader(path, name="archive reader")
        self._lister = Reader(path, name="archive lister")
        self._life = Lifespan(self._writer, self._reader, self._lister)

    async def start(self) -> None:
        await self._life.start()

    async def stop(self) -> None:
        await self._life.stop()

    async def record(self, runs: Sequence[Run]) -> None:
        for portion in portions(packed(runs)):
            await self._writer.submit(_record, [astuple(row) for row in portion], weight=len(portion))

    async def lacking(self, refs: Sequence[EndedRef]) -> list[str]:
        known = await self._reader.submit(_known, [ref.id for ref in refs]) if refs else {}
        return [ref.id for ref in refs if known.get(ref.id, -1) < ref.is_stopped]

    async def get(self, run_ids: Sequence[str]) -> list[Run | None]:
        return await self._reader.submit(_get, run_ids) if run_ids else []

    async def history(self, wanted: HistoryFilter) -> list[Run]:
        return await self._lister.submit(_history, wanted)

    async def purge(self, ended_before: float, limit: int) -> int:
        count = 0
        while count < limit:
            asked = min(limit - count, DELETED_AT_ONCE)
            gone = await self._writer.submit(_purge, (ended_before, asked))
            count += gone
            if gone < asked:
                break
        return count


# ---------------------------------------------------------------- in the threads


def _record(connection: apsw.Connection, items: list[list[tuple[Any, ...]]]) -> list[None]:
    for rows in slices(list(chain.from_iterable(items))):
        _RECORD.execute(connection, rows)
    return [None] * len(items)


def _purge(connection: apsw.Connection, items: list[tuple[float, int]]) -> list[int]:
    counts: list[int] = []
    for item in items:
        connection.execute(sql("archive_purge"), item)
        counts.append(connection.changes())
    return counts


def _ended(connection: apsw.Connection, items: list[tuple[float, str, float, int]]) -> list[list[EndedRef]]:
    found: list[list[EndedRef]] = []
    for item in items:
        rows = msgspec.json.decode(one(connection.execute(sql("ended"), item))[0])
        found.append([EndedRef(run_id, ended_at, bool(stopped)) for run_id, ended_at, stopped in rows])
    return found


def _known(connection: apsw.Connection, items: list[list[str]]) -> list[dict[str, int]]:
    found: list[dict[str, int]] = []
    for ids in items:
        asked = msgspec.json.encode(ids).decode()
        found.append(dict(msgspec.json.decode(one(connection.execute(sql("archive_known"), (asked,)))[0])))
    return found


def _get(connection: apsw.Connection, items: list[Sequence[str]]) -> list[list[Run | None]]:
    found: list[list[Run | None]] = []
    for ids in items:
        asked = msgspec.json.encode(list(dict.fromkeys(ids))).decode()
        rows: list[Any] = connection.execute(sql("archive_get"), (asked,)).fetchall()
        runs = {run_id: unpacked(head, body) for run_id, head, body in rows}
        found.append([runs.get(run_id) for run_id in ids])
    return found


def _history(connection: apsw.Connection, items: list[HistoryFilter]) -> list[list[Run]]:
    found: list[list[Run]] = []
    for wanted in items:
        rows: list[Any] = connection.execute(sql(archive_query(wanted)), _parameters(wanted)).fetchall()
        found.append([unpacked_head(row[0]) for row in rows])
    return found


def _parameters(wanted: HistoryFilter) -> dict[str, Any]:
    return {**wanted_values(wanted), "id_end": wanted.id_prefix + LAST}
