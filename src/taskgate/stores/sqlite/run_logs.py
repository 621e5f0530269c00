"""Uploaded logs on SQLite: a file and a writer of their own, so that a large log delays neither a submit nor a line.

A piece and what is known of its log are written in one transaction; a crash leaves both or neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, cast

import apsw

from taskgate.errors import StoreError
from taskgate.journal.pieces import MAX_LOG_BYTES, PIECE_BYTES, LogName, Piece, RunLog, Taken, grown, judge, overlap_of
from taskgate.lifespan import Lifespan
from taskgate.stores.records import log_of
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer

FILE = "logs.db"
MIGRATIONS = files(__package__) / "run_logs_migrations"
WEIGHT_BYTES = 64 << 10  # what weighs as much as another item
Verdict = tuple[Taken, RunLog | None]


class Stretch(NamedTuple):
    """Bytes of a log."""

    log: LogName
    offset: int
    limit: int


class SqliteRunLogs:
    """RunLogs on SQLite. Making it does no I/O; `start` opens, locks and migrates."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int = MAX_LOG_BYTES,
        probe: Callable[[str], None] | None = None,
    ) -> None:
        path = folder / FILE
        self._limit_bytes = limit_bytes
        self._writer = Writer(path, migrations=MIGRATIONS, probe=probe, name="logs")
        self._reader = Reader(path, name="logs reader")
        self._life = Lifespan(self._writer, self._reader)

    @property
    def ailment(self) -> StoreError | None:
        """Why nothing can be written any more (F19), None while it can."""
        return self._writer.broken

    async def start(self) -> None:
        await self._life.start()

    async def stop(self) -> None:
        await self._life.stop()

    async def write(self, piece: Piece) -> tuple[Taken, RunLog | None]:
        return await self._writer.submit(self._write, piece, weight=1 + len(piece.content) // WEIGHT_BYTES)

    async def close(self, log: RunLog) -> RunLog | None:
        return await self._writer.submit(_close, log)

    async def find(self, run_id: str) -> list[RunLog]:
        return await self._reader.submit(_find, run_id)

    async def content(self, log: LogName, offset: int, *, limit: int) -> bytes:
        return await self._reader.submit(_read, Stretch(log, offset, limit))

    async def purge(self, run_ids: Sequence[str]) -> None:
        if run_ids:
            await self._writer.submit(_purge, list(run_ids))

    # ---------------------------------------------------------------- in the writer's thread

    def _write(self, connection: apsw.Connection, pieces: list[Piece]) -> list[Verdict]:
        return [self._append(connection, piece) for piece in pieces]

    def _append(self, connection: apsw.Connection, piece: Piece) -> Verdict:
        logs = _logs_of(connection, piece.log.run_id)
        known = next((one for one in logs if one.log == piece.log), None)
        stretch = Stretch(piece.log, piece.offset, overlap_of(known, piece))
        taken, fresh = judge(
            known,
            piece,
            stored=_stored(connection, stretch),
            log_count=len(logs),
            limit_bytes=self._limit_bytes,
        )
        if taken is not Taken.STORED:
            return taken, known
        log = grown(known, piece, fresh=fresh)
        log_id = _save(connection, log)
        connection.execute(sql("run_log_append"), (log_id, log.size_bytes - len(fresh), fresh))
        return taken, log


def _close(connection: apsw.Connection, logs: list[RunLog]) -> list[RunLog | None]:
    return [_close_one(connection, log) for log in logs]


def _close_one(connection: apsw.Connection, log: RunLog) -> RunLog | None:
    known = next((one for one in _logs_of(connection, log.log.run_id) if one.log == log.log), None)
    if known is None and log.size_bytes == 0:
        known = RunLog(log=log.log, writer=log.writer)
    if known is None or known.size_bytes != log.size_bytes or known.sha256 not in ("", log.sha256):
        return None
    closed = RunLog(
        log=known.log,
        size_bytes=known.size_bytes,
        piece_count=known.piece_count,
        sha256=log.sha256,
        writer=known.writer,
    )
    _save(connection, closed)
    return closed


def _save(connection: apsw.Connection, log: RunLog) -> int:
    row = (*log.log, log.size_bytes, log.piece_count, log.sha256, log.writer)
    ((log_id,),) = connection.execute(sql("run_log_save"), row).fetchall()
    return cast(int, log_id)


def _purge(connection: apsw.Connection, requests: list[list[str]]) -> list[None]:
    rows = [(run_id,) for run_ids in requests for run_id in run_ids]
    connection.executemany(sql("run_logs_purge_pieces"), rows)
    connection.executemany(sql("run_logs_purge"), rows)
    return [None] * len(requests)


# -------------------------------------------------------------------- in either thread


def _find(connection: apsw.Connection, run_ids: list[str]) -> list[list[RunLog]]:
    return [_logs_of(connection, run_id) for run_id in run_ids]


def _logs_of(connection: apsw.Connection, run_id: str) -> list[RunLog]:
    return [log_of(row) for row in connection.execute(sql("run_logs_of_run"), (run_id,))]


def _read(connection: apsw.Connection, stretches: list[Stretch]) -> list[bytes]:
    return [_stored(connection, stretch) for stretch in stretches]


def _stored(connection: apsw.Connection, stretch: Stretch) -> bytes:
    start, end = stretch.offset, stretch.offset + stretch.limit
    if start >= end:
        return b""
    found = connection.execute(sql("run_log_pieces"), (*stretch.log, start - PIECE_BYTES, end))
    return b"".join(
        cast(bytes, content)[max(start - cast(int, first), 0) : end - cast(int, first)] for first, content in found
    )
