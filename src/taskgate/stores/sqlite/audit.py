"""The audit log on SQLite: a file and a writer of its own; the one writer makes one chain.

Entries are only ever added, and taken from the beginning by retention.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw
from msgspec.structs import asdict

from taskgate.audit.chain import Ends, Link, linked
from taskgate.audit.entry import Deed, Entry
from taskgate.audit.ports import AuditFilter
from taskgate.lifespan import Lifespan
from taskgate.stores.records import deed_row
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer

FILE = "audit.db"
MIGRATIONS = files(__package__) / "audit_migrations"


class SqliteAuditLog:
    """AuditLog on SQLite. Making it does no I/O; `start` opens, locks and migrates."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        self._writer = Writer(path, migrations=MIGRATIONS, name="audit")
        self._reader = Reader(path, name="audit reader")
        self._life = Lifespan(self._writer, self._reader)

    async def start(self) -> None:
        await self._life.start()

    async def stop(self) -> None:
        await self._life.stop()

    async def append(self, deeds: Sequence[Deed]) -> list[Entry]:
        return await self._writer.submit(_append, deeds, weight=max(1, len(deeds)))

    async def find(self, wanted: AuditFilter) -> list[Entry]:
        return await self._reader.submit(_find, wanted)

    async def chain(self, after: int, limit: int) -> list[Entry]:
        return await self._reader.submit(_chain, (after, limit))

    async def ends(self) -> Ends:
        return await self._reader.submit(_read_ends, None)

    async def purge(self, before: float, limit: int) -> int:
        return await self._writer.submit(_purge, {"before": before, "limit": limit})


# ---------------------------------------------------------------- in the threads


def _append(connection: apsw.Connection, items: list[Sequence[Deed]]) -> list[list[Entry]]:
    outcomes: list[list[Entry]] = []
    head = _ends(connection).head
    for deeds in items:
        entries = linked(head, deeds)
        connection.executemany(sql("audit_append"), [deed_row(*pair) for pair in zip(entries, deeds, strict=True)])
        if entries:
            head = Link(entries[-1].seq, entries[-1].hash)
        outcomes.append(entries)
    connection.execute(sql("audit_set_head"), (head.seq, head.hash))
    return outcomes


def _ends(connection: apsw.Connection) -> Ends:
    rows: list[Any] = connection.execute(sql("audit_ends")).fetchall()
    first_seq, first_hash, last_seq, last_hash = rows[0]
    return Ends(Link(first_seq, first_hash), Link(last_seq, last_hash))


def _read_ends(connection: apsw.Connection, items: list[None]) -> list[Ends]:
    return [_ends(connection)] * len(items)


def _find(connection: apsw.Connection, items: list[AuditFilter]) -> list[list[Entry]]:
    return [_entries(connection.execute(sql("audit_find"), asdict(wanted)).fetchall()) for wanted in items]


def _chain(connection: apsw.Connection, items: list[tuple[int, int]]) -> list[list[Entry]]:
    return [_entries(connection.execute(sql("audit_chain"), item).fetchall()) for item in items]


def _entries(rows: list[Any]) -> list[Entry]:
    return [Entry(*row) for row in rows]


def _purge(connection: apsw.Connection, items: list[dict[str, float]]) -> list[int]:
    counts: list[int] = []
    for item in items:
        rows: list[Any] = connection.execute(sql("audit_last_old"), item).fetchall()
        for seq, digest in rows:
            connection.execute(sql("audit_set_checkpoint"), (seq, digest))
            connection.execute(sql("audit_delete"), (seq,))
        counts.append(connection.changes() if rows else 0)
    return counts
