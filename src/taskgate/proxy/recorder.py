"""Keeps records of calls: from what exchanges say to the store, never in the way of a call.

An open record costs memory up to its caps. A finished one is masked and queued; one writer appends what queued up,
all of it in one commit. What does not fit into the backlog, because the store is slow or away, is dropped, counted
and logged. When the process dies, what is queued is lost: records are for looking, never for truth.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Sequence

from taskgate.clock import Clock
from taskgate.errors import CallerError, NotNow, StoreError
from taskgate.ids import new_id
from taskgate.lifespan import TaskSet
from taskgate.proxy.masking import MARGIN_BYTES, Masker
from taskgate.proxy.ports import Pair
from taskgate.proxy.recording import CallStart, OpenCall
from taskgate.proxy.settings import ProxySettings
from taskgate.routes.records import CallAttempt, CallRecord, CallRecords, Passage

_log = logging.getLogger(__name__)
BATCH = 256
BATCH_BYTES = 8 << 20  # one frame of a front's channel takes more
OVERHEAD_BYTES = 2048  # of a record, beside its bodies
AGAIN_S = 1.0
PURGE_S = 60.0
PURGE_ROWS = 1000
STOP_S = 2.0


class Recorder:
    """Recording over a store. `dropped_count` are the records that were lost since the start."""

    def __init__(
        self, records: CallRecords, settings: ProxySettings, *, clock: Clock, secrets: Collection[str] = ()
    ) -> None:
        self._records = records
        self._settings = settings
        self._clock = clock
        self._secrets = tuple(secrets)
        self._waiting: deque[tuple[CallRecord, int]] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._told_count = 0
        self.dropped_count = 0
        self.tasks = TaskSet()

    async def start(self) -> None:
        self.tasks.spawn(self._write(), name="records of calls")
        self.tasks.spawn(self._purge(), name="old records of calls")

    async def stop(self) -> None:
        """Write what is queued, within a moment."""
        await self.tasks.close()
        try:
            async with asyncio.timeout(STOP_S):
                while self._waiting:
                    await self._records.append(self._batch())
        except (TimeoutError, NotNow, StoreError) as error:
            self.dropped_count += len(self._waiting)
            _log.warning("%d records of calls were not written: %s", len(self._waiting), error)
            self._waiting.clear()

    def begin(self, start: CallStart) -> OpenCall | None:
        """As `Recording` says."""
        if start.level == "none":
            return None
        limit = self._settings.record_body_bytes
        return _Open(self, start, clock=self._clock, masker=Masker(self._secrets, start.headers), limit=limit)

    def take(self, records: Sequence[CallRecord]) -> None:
        """Queue finished records; what does not fit is dropped and counted."""
        for record in records:
            size = OVERHEAD_BYTES + len(record.target) + _weight(record.request)
            size += sum(_weight(one.response) for one in record.attempts)
            if self._waiting_bytes + size > self._settings.record_backlog_bytes:
                self.dropped_count += 1
                continue
            self._waiting.append((record, size))
            self._waiting_bytes += size
        self._news.set()

    def _batch(self) -> list[CallRecord]:
        batch: list[CallRecord] = []
        weight = 0
        while self._waiting and len(batch) < BATCH and weight < BATCH_BYTES:
            record, size = self._waiting.popleft()
            self._waiting_bytes -= size
            weight += size
            batch.append(record)
        return batch

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                batch = self._batch()
                try:
                    await self._records.append(batch)
                except (NotNow, StoreError) as error:
                    _log.warning("records of calls wait: %s", error)
                    self.take(batch)
                    await asyncio.sleep(AGAIN_S)
                except CallerError as error:  # what no store can keep is not tried for ever, nor a reason to end
                    _log.warning("%d records of calls cannot be kept: %s", len(batch), error)
                    self.dropped_count += len(batch)
                self._tell()

    def _tell(self) -> None:
        if self.dropped_count > self._told_count:
            _log.warning("%d records of calls were dropped", self.dropped_count - self._told_count)
            self._told_count = self.dropped_count

    async def _purge(self) -> None:
        while self._settings.record_keep_s:
            try:
                before = self._clock.now() - self._settings.record_keep_s
                while await self._records.purge(before, PURGE_ROWS) == PURGE_ROWS:
                    pass
            except (NotNow, StoreError) as error:
                _log.warning("old records of calls stay for now: %s", error)
            await asyncio.sleep(PURGE_S)


def _weight(passage: Passage) -> int:
    return len(passage.body) + sum(len(name) + len(value) for name, value in passage.headers)


class _Kept:
    """The beginning of a body, and how long all of it is."""

    __slots__ = ("_limit", "pieces", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit + MARGIN_BYTES
        self.pieces: list[bytes] = []
        self.size = 0

    def add(self, piece: bytes) -> None:
        room = self._limit - self.size
        if room > 0:
            self.pieces.append(bytes(piece[:room]))
        self.size += len(piece)


class _Try:
    """One attempt while it goes on."""

    __slots__ = ("body", "headers", "started_at", "status", "upstream")

    def __init__(self, upstream: str, started_at: float, *, limit: int) -> None:
        self.upstream = upstream
        self.started_at = started_at
        self.status = 0
        self.headers: Sequence[Pair] = ()
        self.body = _Kept(limit)


class _Open:
    """A record in the making."""

    def __init__(self, recorder: Recorder, start: CallStart, *, clock: Clock, masker: Masker, limit: int) -> None:
        self._recorder = recorder
        self._start = start
        self._clock = clock
        self._masker = masker
        self._limit = limit
        self._started_at = clock.now()
        self._body = _Kept(limit)
        self._try: _Try | None = None
        self._attempts: list[CallAttempt] = []
        self._over = False

    def request_body(self, piece: bytes) -> None:
        self._body.add(piece)

    def attempt(self, upstream: str) -> None:
        self.attempt_ended()
        self._try = _Try(upstream, self._clock.now(), limit=self._limit)

    def answered(self, status: int, headers: Sequence[Pair]) -> None:
        if self._try is not None:
            self._try.status = status
            self._try.headers = headers

    def response_body(self, piece: bytes) -> None:
        if self._try is not None:
            self._try.body.add(piece)

    def attempt_ended(self, *, error: str = "", moved_on_because: str = "") -> None:
        one, self._try = self._try, None
        if one is None:
            return
        self._attempts.append(
            CallAttempt(
                number=len(self._attempts) + 1,
                upstream=self._masker.text(one.upstream),
                started_at=one.started_at,
                ended_at=self._clock.now(),
                status=one.status,
                response=self._passage(one.headers, one.body),
                error=error,
                moved_on_because=moved_on_because,
            )
        )

    def finish(self, status: int, *, error: str = "") -> None:
        if self._over:
            return
        self._over = True
        self.attempt_ended(error=error)
        if self._start.level == "all" or self._has_failed(status):
            self._recorder.take([self._record(status, error)])

    def _has_failed(self, status: int) -> bool:
        """Whether `failures` keeps it: no answer, a 5xx, or an attempt that came to that."""
        return status == 0 or status >= 500 or any(one.error or one.status >= 500 for one in self._attempts)

    def _record(self, status: int, error: str) -> CallRecord:
        start = self._start
        return CallRecord(
            id=new_id(self._started_at),
            request_id=self._masker.text(start.request_id),
            site_id=start.site_id,
            user_id=start.user_id,
            principal=start.principal,
            service=start.service,
            route=start.route,
            method=start.method,
            target=self._masker.target(start.target),
            started_at=self._started_at,
            ended_at=self._clock.now(),
            status=status,
            error=error,
            request=self._passage(start.headers, self._body),
            attempts=tuple(self._attempts),
        )

    def _passage(self, headers: Sequence[Pair], body: _Kept) -> Passage:
        return self._masker.passage(headers, b"".join(body.pieces), body_bytes=body.size, limit=self._limit)
