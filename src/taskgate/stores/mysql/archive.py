"""The archive on MariaDB or MySQL: one thread writes, another reads, and nobody waits for a server that is away.

A body that does not fit into one packet goes in pieces, all within the transaction of its row. Server and driver turn
some bytes of a binary value into two, so a packet is filled to less than half. Pieces are of one size, whatever the
server's packet is today: a run that is copied again has the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymysql.cursors import Cursor

from taskgate.history.packing import (
    PORTION_BYTES,
    Packed,
    packed,
    portions,
    unpacked,
    unpacked_head,
    wanted_values,
)
from taskgate.history.ports import EndedRef, HistoryFilter
from taskgate.lifespan import Lifespan
from taskgate.runs.run import Run
from taskgate.stores.mysql.line import SMALLEST_PACKET, TIMEOUT_S, Line, guard_of
from taskgate.stores.mysql.migrating import migrate
from taskgate.stores.mysql.statements import sql

DELETED_AT_ONCE = 100
PIECE_BYTES = SMALLEST_PACKET // 4


class MysqlRunArchive:
    """RunArchive on MariaDB or MySQL. Making it does no I/O; `start` connects if the server is there."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.backend = guard_of(timeout_s)
        self._writer = Line(url, name="archive writer", prepare=migrate, timeout_s=timeout_s, guard=self.backend)
        self._reader = Line(url, name="archive reader", prepare=migrate, timeout_s=timeout_s, guard=self.backend)
        self._life = Lifespan(self._writer, self._reader)

    async def start(self) -> None:
        await self._life.start()

    async def stop(self) -> None:
        await self._life.stop()

    async def record(self, runs: Sequence[Run]) -> None:
        for portion in portions(packed(runs), most_bytes=min(PORTION_BYTES, self._writer.packet_bytes)):
            await self._writer.use(lambda cursor, rows=portion: _record(cursor, rows))  # type: ignore[misc]

    async def lacking(self, refs: Sequence[EndedRef]) -> list[str]:
        if not refs:
            return []
        ids = [ref.id for ref in refs]
        known = {_text(row[0]): row[1] for row in await self._reader.use(lambda cursor: _rows(cursor, "known", ids))}
        return [ref.id for ref in refs if known.get(ref.id, -1) < ref.is_stopped]

    async def get(self, run_ids: Sequence[str]) -> list[Run | None]:
        if not run_ids:
            return []
        found = await self._reader.use(lambda cursor: dict(_runs(cursor, run_ids)))
        return [found.get(run_id) for run_id in run_ids]

    async def history(self, wanted: HistoryFilter) -> list[Run]:
        def read(cursor: Cursor) -> list[Run]:
            cursor.execute(sql("archive_find"), _parameters(wanted))
            return [unpacked_head(row[0]) for row in cursor.fetchall()]

        return await self._reader.use(read)

    async def purge(self, ended_before: float, limit: int) -> int:
        count = 0
        while count < limit:
            asked = min(limit - count, DELETED_AT_ONCE)
            gone = await self._writer.use(lambda cursor, asked=asked: _purge(cursor, ended_before, asked))  # type: ignore[misc]
            count += gone
            if gone < asked:
                break
        return count


def _members(row: Packed) -> tuple[Any, ...]:
    return (
        row.id, row.site_id, row.user_id, row.task, row.status, row.ended_at, row.is_stopped, row.marks, row.head
    )  # fmt: skip


# ---------------------------------------------------------------- in the threads


def _record(cursor: Cursor, rows: Sequence[Packed]) -> None:
    """Write a portion: pieces first, then the rows that tell of them."""
    cursor.max_stmt_length = PIECE_BYTES  # type: ignore[misc]
    plain: list[tuple[Any, ...]] = []
    for row in rows:
        starts = range(0, len(row.body), PIECE_BYTES) if len(row.body) > PIECE_BYTES else range(0)
        for number, start in enumerate(starts):
            cursor.execute(sql("archive_piece"), (row.id, number, row.body[start : start + PIECE_BYTES]))
        plain.append((*_members(row), b"" if starts else row.body, len(starts)))
    cursor.executemany(sql("archive_record"), plain)


def _rows(cursor: Cursor, name: str, ids: Sequence[str]) -> Sequence[Any]:
    cursor.execute(sql(f"archive_{name}"), (list(dict.fromkeys(ids)),))
    return cursor.fetchall()


def _runs(cursor: Cursor, run_ids: Sequence[str]) -> Iterator[tuple[str, Run]]:
    for run_id, head, body, piece_count in _rows(cursor, "get", run_ids):
        if piece_count:
            cursor.execute(sql("archive_pieces"), (run_id, piece_count))
            body = b"".join(row[0] for row in cursor.fetchall())
        yield _text(run_id), unpacked(head, body)


def _purge(cursor: Cursor, ended_before: float, limit: int) -> int:
    cursor.execute(sql("archive_old"), (ended_before, limit))
    ids = [_text(row[0]) for row in cursor.fetchall()]
    if ids:
        cursor.execute(sql("archive_delete_pieces"), (ids,))
        cursor.execute(sql("archive_delete"), (ids,))
    return len(ids)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _parameters(wanted: HistoryFilter) -> dict[str, Any]:
    return {**wanted_values(wanted), "id_prefix_length": len(wanted.id_prefix.encode())}
