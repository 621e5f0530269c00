"""Uploaded logs in memory: the model of behaviour for every other store of them.

Everything is forgotten with the process.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from taskgate.journal.pieces import MAX_LOG_BYTES, LogName, Piece, RunLog, Taken, grown, judge, overlap_of


class MemoryRunLogs:
    """RunLogs in memory. `limit_bytes` is what one log may hold."""

    def __init__(self, *, limit_bytes: int = MAX_LOG_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._logs: dict[LogName, RunLog] = {}
        self._bytes: dict[LogName, bytearray] = {}

    async def write(self, piece: Piece) -> tuple[Taken, RunLog | None]:
        known = self._logs.get(piece.log)
        content = self._bytes.setdefault(piece.log, bytearray())
        taken, fresh = judge(
            known,
            piece,
            stored=bytes(content[piece.offset : piece.offset + overlap_of(known, piece)]),
            log_count=len(await self.find(piece.log.run_id)),
            limit_bytes=self._limit_bytes,
        )
        if taken is Taken.STORED:
            content += fresh
            known = self._logs[piece.log] = grown(known, piece, fresh=fresh)
        return taken, known

    async def close(self, log: RunLog) -> RunLog | None:
        known = self._logs.get(log.log)
        if known is None and log.size_bytes == 0:
            known = self._logs[log.log] = RunLog(log=log.log, writer=log.writer)
        if known is None or known.size_bytes != log.size_bytes or known.sha256 not in ("", log.sha256):
            return None
        self._logs[log.log] = replace(known, sha256=log.sha256)
        return self._logs[log.log]

    async def find(self, run_id: str) -> list[RunLog]:
        return sorted((one for one in self._logs.values() if one.log.run_id == run_id), key=lambda one: one.log)

    async def content(self, log: LogName, offset: int, *, limit: int) -> bytes:
        return bytes(self._bytes.get(log, b"")[offset : offset + limit])

    async def purge(self, run_ids: Sequence[str]) -> None:
        gone = set(run_ids)
        for log in [log for log in {*self._logs, *self._bytes} if log.run_id in gone]:
            self._logs.pop(log, None)
            self._bytes.pop(log, None)
