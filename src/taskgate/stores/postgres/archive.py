"""The archive on PostgreSQL: a schema of its own, on the ledger's server or on another.

Its schema has its own migrations, applied by whichever gateway comes first: only the one that leads writes, and what
is there is never changed, so tables may grow under it. A server that is away at the start is asked again later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from msgspec.structs import astuple

from taskgate.errors import Unavailable
from taskgate.history.packing import packed, portions, unpacked, unpacked_head, wanted_marks
from taskgate.history.ports import EndedRef, HistoryFilter, Place
from taskgate.runs.run import Run
from taskgate.stores.postgres.migrating import alone, upgrade
from taskgate.stores.postgres.pool import Connection, Pool
from taskgate.stores.postgres.statements import columns, sql
from taskgate.stores.records import archive_query

_log = logging.getLogger(__name__)
MIGRATIONS = files(__package__) / "archive_migrations"
SCHEMA = "taskgate_archive"
POOL_SIZE = 3
PATIENCE_S = 10.0
MIGRATING_S = 120.0
FOREVER = float("inf")
LAST = "\U0010ffff"  # sorts behind every id


class _SchemaPool(Pool):
    """A pool whose sessions see the archive's tables by their names."""

    def __init__(self, url: str) -> None:
        super().__init__(url, size=POOL_SIZE, patience_s=PATIENCE_S, name="taskgate archive", backend="archive")
        self._settings["search_path"] = SCHEMA


class PostgresRunArchive:
    """RunArchive on PostgreSQL. Making it does no I/O; `start` connects if the server is there."""

    def __init__(self, url: str) -> None:
        self._pool = _SchemaPool(url)
        self.backend = self._pool.guard
        self._opening = asyncio.Lock()
        self._is_open = False

    async def start(self) -> None:
        try:
            await self._ready()
        except Unavailable as error:
            _log.warning("the archive: %s; tried again when it is needed", error)

    async def stop(self) -> None:
        self._is_open = False
        await self._pool.stop()

    async def record(self, runs: Sequence[Run]) -> None:
        for portion in portions(packed(runs)):
            await self._fetch("archive_record", *columns([astuple(row) for row in portion]))

    async def lacking(self, refs: Sequence[EndedRef]) -> list[str]:
        rows = await self._fetch("archive_known", [ref.id for ref in refs]) if refs else []
        known = {row["id"]: row["is_stopped"] for row in rows}
        return [ref.id for ref in refs if ref.id not in known or (ref.is_stopped and not known[ref.id])]

    async def get(self, run_ids: Sequence[str]) -> list[Run | None]:
        rows = await self._fetch("archive_get", list(dict.fromkeys(run_ids))) if run_ids else []
        found = {row["id"]: unpacked(row["head"], row["body"]) for row in rows}
        return [found.get(run_id) for run_id in run_ids]

    async def history(self, wanted: HistoryFilter) -> list[Run]:
        rows = await self._fetch(archive_query(wanted), *_parameters(wanted))
        return [unpacked_head(row["head"]) for row in rows]

    async def purge(self, ended_before: float, limit: int) -> int:
        rows = await self._fetch("archive_purge", ended_before, limit)
        return int(rows[0]["total"])

    async def _fetch(self, name: str, *arguments: Any) -> Sequence[Any]:
        await self._ready()
        return await self._pool.fetch(sql(name), *arguments)

    async def _ready(self) -> None:
        """Connect and see to the tables, once."""
        if not self._is_open:
            async with self._opening:
                await self._open()

    async def _open(self) -> None:
        if self._is_open:
            return
        await self._pool.start()
        try:
            await self._pool.use(_prepare, patience_s=MIGRATING_S)
        except BaseException:
            await self._pool.stop()
            raise
        self._is_open = True


async def _prepare(connection: Connection) -> None:
    async with alone(connection):  # `IF NOT EXISTS` alone does not hold against another who is at it
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    await upgrade(connection, folder=MIGRATIONS)


def _parameters(wanted: HistoryFilter) -> tuple[Any, ...]:
    cursor = wanted.cursor or Place(FOREVER, LAST)
    return (
        wanted.site_id,
        cursor.ended_at,
        cursor.run_id,
        -FOREVER if wanted.ended_from is None else wanted.ended_from,
        FOREVER if wanted.ended_before is None else wanted.ended_before,
        wanted.user_id,
        wanted.task,
        "" if wanted.status is None else wanted.status.value,
        *wanted_marks(wanted),
        wanted.id_prefix,
        wanted.id_prefix + LAST,
        wanted.limit,
    )
