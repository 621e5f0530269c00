"""Uploaded logs on PostgreSQL, through the connections of floods: a large log never delays a submit.

A piece locks the row of its log until its commit, so that gateways which write to one log wait for each other and the
rule is applied to what is really there. Said again after a lost answer it is a repeat. A refused piece leaves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from taskgate.journal.pieces import MAX_LOG_BYTES, PIECE_BYTES, LogName, Piece, RunLog, Taken, grown, judge, overlap_of
from taskgate.stores.postgres.pool import Connection, Pool
from taskgate.stores.postgres.statements import sql
from taskgate.stores.records import log_of

PURGED_AT_ONCE = 50
PURGE_S = 30.0


class PostgresRunLogs:
    """RunLogs on PostgreSQL. `limit_bytes` is what one log may hold."""

    def __init__(self, pool: Pool, *, limit_bytes: int = MAX_LOG_BYTES) -> None:
        self._pool = pool
        self._limit_bytes = limit_bytes

    async def write(self, piece: Piece) -> tuple[Taken, RunLog | None]:
        async def written(connection: Connection) -> tuple[Taken, RunLog | None]:
            transaction = connection.transaction()
            await transaction.start()
            try:
                verdict = await self._append(connection, piece)
            except BaseException:
                await transaction.rollback()
                raise
            if verdict[0] is Taken.STORED:
                await transaction.commit()
            else:
                await transaction.rollback()
            return verdict

        return await self._pool.use(written)

    async def close(self, log: RunLog) -> RunLog | None:
        async def closed(connection: Connection) -> RunLog | None:
            logs = await _logs_of(connection, log.log.run_id)
            if log.size_bytes and all(one.log != log.log for one in logs):
                return None
            async with connection.transaction():
                known = log_of(await connection.fetchrow(sql("run_logs_lock"), *log.log, log.writer))
                if known.size_bytes != log.size_bytes or known.sha256 not in ("", log.sha256):
                    return None
                await connection.execute(sql("run_logs_close"), *log.log, log.sha256)
            return replace(known, sha256=log.sha256)

        return await self._pool.use(closed)

    async def find(self, run_id: str) -> list[RunLog]:
        return await self._pool.use(lambda connection: _logs_of(connection, run_id))

    async def content(self, log: LogName, offset: int, *, limit: int) -> bytes:
        return await self._pool.use(lambda connection: _stored(connection, log, start=offset, end=offset + limit))

    async def purge(self, run_ids: Sequence[str]) -> None:
        async def purged(connection: Connection, names: list[str]) -> None:
            async with connection.transaction():
                # The rows first: whoever is writing to them has committed its pieces when they are ours.
                await connection.execute(sql("run_logs_purge"), names)
                await connection.execute(sql("run_logs_purge_pieces"), names)

        for start in range(0, len(run_ids), PURGED_AT_ONCE):
            names = list(run_ids[start : start + PURGED_AT_ONCE])
            await self._pool.use(lambda connection, names=names: purged(connection, names), patience_s=PURGE_S)  # type: ignore[misc]

    async def _append(self, connection: Connection, piece: Piece) -> tuple[Taken, RunLog | None]:
        """Judge and append within the caller's transaction, which holds the log's row."""
        logs = await _logs_of(connection, piece.log.run_id)
        locked = log_of(await connection.fetchrow(sql("run_logs_lock"), *piece.log, piece.writer))
        known = locked if locked.piece_count or locked.is_closed else None
        start = piece.offset
        taken, fresh = judge(
            known,
            piece,
            stored=await _stored(connection, piece.log, start=start, end=start + overlap_of(known, piece)),
            log_count=len(logs),
            limit_bytes=self._limit_bytes,
        )
        if taken is not Taken.STORED:
            return taken, known
        log = grown(known, piece, fresh=fresh)
        await connection.execute(sql("run_logs_append"), *piece.log, log.size_bytes - len(fresh), fresh)
        return taken, log


async def _logs_of(connection: Connection, run_id: str) -> list[RunLog]:
    return [log_of(row) for row in await connection.fetch(sql("run_logs_of_run"), run_id)]


async def _stored(connection: Connection, log: LogName, *, start: int, end: int) -> bytes:
    if start >= end:
        return b""
    rows = await connection.fetch(sql("run_logs_pieces"), *log, start - PIECE_BYTES, end)
    return b"".join(content[max(start - first, 0) : end - first] for first, content in rows)
