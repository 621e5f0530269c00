"""Uploaded logs of runs: who may write one, and how it is closed.

A piece counts only from the run's present holder: who shows the lease (attempt and token), or whose worker key is
bound to the worker that has it. When the run has ended its last holder may finish what it was uploading for a grace
time: the worker whose key says so, or who shows the token that an earlier piece of this attempt came with (only its
digest is kept). A credential that is one worker's writes for that one alone, whatever token it shows. Everybody else
hears the same as for a run that does not exist, or that the lease is lost.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from taskgate.clock import Clock
from taskgate.errors import Conflict, Forbidden, InvalidInput, LeaseLost, NotFound, TaskgateError, TooLarge
from taskgate.identity.principal import Principal
from taskgate.ids import is_id
from taskgate.journal.pieces import MAX_LOGS, PIECE_BYTES, LogName, Piece, RunLog, Taken
from taskgate.journal.ports import RunLogs
from taskgate.journal.settings import JournalSettings
from taskgate.runs.ports import RunBook
from taskgate.runs.run import Run

_STREAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """The right to write logs of an attempt; `writer` is how it is recognised after the run's end."""

    run_id: str
    attempt: int
    writer: str

    def log(self, stream: str) -> LogName:
        """The log of this name; InvalidInput for what cannot be a name."""
        return LogName(self.run_id, self.attempt, stream_of(stream))


class LogDesk:
    """Where logs are uploaded and read. Readers' tenancy is checked before they come here."""

    def __init__(self, book: RunBook, logs: RunLogs, *, clock: Clock, settings: JournalSettings) -> None:
        self._book = book
        self._logs = logs
        self._clock = clock
        self._settings = settings

    async def admit(self, principal: Principal, run_id: str, *, attempt: int, token: str) -> Writing:
        """The right of this principal to write; `attempt` 0 and an empty `token` where they were not shown.

        NotFound for a run of a site that it does not serve, Forbidden for another worker's run, LeaseLost for a lease
        that is not (or no longer) the run's.
        """
        principal.require("worker")
        run = (await self._book.get([run_id]))[0] if is_id(run_id) else None
        if run is None or not principal.serves(run.tenant.site_id):
            raise NotFound("no such run", code="UNKNOWN_RUN")
        if not run.is_open and (run.ended_at or 0.0) + self._settings.upload_grace_s < self._clock.now():
            raise LeaseLost("the run ended too long ago: nothing more is taken for it")
        if token:
            return await self._by_lease(principal, run, attempt=attempt, token=token)
        holder = _holder_of(run)
        if not principal.worker_id or holder != principal.worker_id:
            raise Forbidden("only the holder of a run writes its logs: show its lease", code="WRONG_WORKER")
        if attempt not in (0, run.attempt):
            raise LeaseLost("this attempt does not hold the run any more")
        return Writing(run_id=run.id, attempt=run.attempt, writer=_digest(f"worker {holder}"))

    async def write(self, writing: Writing, stream: str, *, offset: int, content: bytes) -> tuple[RunLog, bool]:
        """Keep a piece, durable when this returns; the log, and whether anything of the piece was new.

        Conflict, with the `offset` to go on from, for a gap, for other bytes at its place and for a closed log;
        TooLarge above a bound.
        """
        piece = Piece(log=writing.log(stream), offset=offset, content=content, writer=writing.writer)
        taken, log = await self._logs.write(piece)
        if taken not in (Taken.STORED, Taken.REPEATED):
            raise _refused(taken, log, limit_bytes=self._settings.max_upload_bytes)
        return log or RunLog(log=piece.log), taken is Taken.STORED

    async def close(self, writing: Writing, stream: str, *, total: int, sha256: str) -> RunLog:
        """Close a log whose stored bytes are these many and have this digest. Again is a success.

        Conflict when it has another size or was closed with another digest; InvalidInput (CHECKSUM_MISMATCH) when the
        stored bytes have another one: the log stays open then.
        """
        name = writing.log(stream)
        known = {log.log: log for log in await self._logs.find(writing.run_id)}
        log = known.get(name) or RunLog(log=name)
        if name not in known and len(known) >= MAX_LOGS:
            raise _refused(Taken.TOO_MANY, None, limit_bytes=0)
        if log.is_closed and (log.size_bytes, log.sha256) == (total, sha256):
            return log
        if log.is_closed or log.size_bytes != total:
            raise _refused(Taken.CLOSED if log.is_closed else Taken.GAP, log, limit_bytes=0)
        if await self._digest_of(log) != sha256:
            raise InvalidInput("the stored bytes have another checksum", code="CHECKSUM_MISMATCH")
        closing = RunLog(log=name, size_bytes=total, sha256=sha256, writer=writing.writer)
        closed = await self._logs.close(closing)
        if closed is None:
            raise Conflict("the log was changed while it was closed, look again", code="LOG_CHANGED")
        return closed

    async def find(self, run_id: str) -> list[RunLog]:
        """Every log of a run, by attempt and name."""
        return await self._logs.find(run_id)

    async def look(self, run_id: str, stream: str, *, attempt: int = 0) -> RunLog:
        """The log of this name of an attempt, 0 for the last one that has it; NotFound when there is none."""
        found = [
            log for log in await self._logs.find(run_id) if log.log.stream == stream and attempt in (0, log.log.attempt)
        ]
        if not found:
            raise NotFound("this run has no log of that name", code="UNKNOWN_LOG")
        return found[-1]

    async def content(self, log: LogName, offset: int, *, limit: int) -> bytes:
        """At most `limit` bytes from `offset` on; b"" only at the end."""
        return await self._logs.content(log, offset, limit=limit)

    async def _by_lease(self, principal: Principal, run: Run, *, attempt: int, token: str) -> Writing:
        lost = LeaseLost("this attempt does not hold the run any more")
        writer = _digest(f"{run.id} {attempt} {token}")
        if attempt != run.attempt:
            raise lost
        if run.is_open:
            if run.lease is None or not _same(run.lease.token, token):
                raise lost
        elif not any(_same(log.writer, writer) for log in await self._logs.find(run.id) if log.log.attempt == attempt):
            raise lost
        if principal.worker_id not in ("", _holder_of(run)):
            raise Forbidden("another worker holds this run", code="WRONG_WORKER")
        return Writing(run_id=run.id, attempt=attempt, writer=writer)

    async def _digest_of(self, log: RunLog) -> str:
        digest = hashlib.sha256()
        at = 0
        while at < log.size_bytes and (part := await self._logs.content(log.log, at, limit=PIECE_BYTES)):
            digest.update(part)
            at += len(part)
        return digest.hexdigest()


def stream_of(text: str) -> str:
    """The name of a log; InvalidInput unless it has 1 to 64 of `A-Za-z0-9._-` and begins with none of `.-`."""
    if _STREAM.fullmatch(text) is None:
        raise InvalidInput("a log's name has 1 to 64 of A-Z a-z 0-9 . _ -", code="BAD_LOG_NAME")
    return text


def _holder_of(run: Run) -> str:
    """Who has a run, or who had it last when it has ended; "" for nobody."""
    if run.lease is not None:
        return run.lease.holder
    tries = () if run.is_open else (run.current, *run.attempts)
    return next((one.holder for one in tries if one is not None and one.number == run.attempt), "")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode("utf-8", "surrogatepass"))


def _refused(taken: Taken, log: RunLog | None, *, limit_bytes: int) -> TaskgateError:
    """Why a piece was not taken, with the place from which to go on."""
    at: dict[str, object] = {"offset": log.size_bytes if log is not None else 0}
    if taken is Taken.FULL:
        return TooLarge(f"a log has at most {limit_bytes} bytes", code="LOG_TOO_LARGE", extra=at)
    if taken is Taken.TOO_MANY:
        return TooLarge(f"a run has at most {MAX_LOGS} logs", code="TOO_MANY_LOGS")
    told = {
        Taken.GAP: ("LOG_GAP", f"the log has {at['offset']} bytes: go on from there"),
        Taken.DIFFERS: ("LOG_DIFFERS", "other bytes are stored at this offset"),
        Taken.CLOSED: ("LOG_CLOSED", "the log was closed"),
    }
    code, detail = told[taken]
    return Conflict(detail, code=code, extra=at)
