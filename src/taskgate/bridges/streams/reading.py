"""Entries of the scheduler's streams become runs: durable first, acknowledged after.

    read ──▶ understood? ──no──▶ dead letter
                │ yes
                ▼
             accepted (durable) ──▶ remembered and acknowledged
                │ not now
                ▼
             stays pending, read again a little later

A crash between the two steps of an acceptance leaves the entry pending; read again it meets its own run, because the
scheduler's id of the run is the idempotency key. So an entry is one run however often it is read, and nothing is
acknowledged that is not safe. An entry of an unknown task waits for `patience_s`, because whoever does that
task may still be on its way. What another consumer read and left is taken over after `claim_idle_s`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from taskgate.bridges.settings import StreamsSettings
from taskgate.bridges.streams.names import CONSUMER, dead_letters, is_dead_letters
from taskgate.bridges.streams.orders import order_of
from taskgate.bridges.streams.scheduler import Entries, Scheduler, answering, cancelled_of, read
from taskgate.clock import Clock
from taskgate.errors import CallerError, KeyReused, NotFound, NotNow, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.runs.intake import Accepted, Intake, Submission

_log = logging.getLogger(__name__)
PAGE = 100
BLOCK_S = 1.0
LOOK_S = 3.0  # between two looks for new streams and abandoned entries
AGAIN_S = 1.0
NEVER_S = 86_400.0  # how long a run is put off that is cancelled as soon as it is accepted


class Reader:
    """Reads for as long as it is asked to; one process at a time does (the bridge's duty). `cancel` ends a run."""

    def __init__(
        self,
        scheduler: Scheduler,
        intake: Intake,
        *,
        principal: Principal,
        settings: StreamsSettings,
        clock: Clock,
        cancel: Callable[[str], Awaitable[None]],
    ) -> None:
        self._scheduler = scheduler
        self._intake = intake
        self._principal = principal
        self._settings = settings
        self._clock = clock
        self._cancel = cancel
        self._streams: list[str] = []
        self._behind: dict[str, bytes] = {}  # how far pending entries were looked at again
        self._look_at = 0.0
        self._again_at = 0.0
        self.accepted_count = 0
        self.refused_count = 0

    async def turn(self) -> int:
        """Read what there is, waiting up to a second for something; returns how many entries were dealt with."""
        await self._look()
        if await self._is_full():
            return 0
        now = self._clock.monotonic()
        group = self._scheduler.names.group
        count = 0
        if now >= self._again_at:
            count = await self._deal(await self._pending(group))
            self._again_at = now + AGAIN_S if not self._behind else 0.0
        block_s = 0.0 if self._behind else BLOCK_S
        news = await read(self._scheduler, dict.fromkeys(self._streams, ">"), group=group, limit=PAGE, block_s=block_s)
        return count + await self._deal(news)

    async def _pending(self, group: str) -> Entries:
        """The next page of what was read and not acknowledged, stream by stream, from the beginning again and again."""
        places = {stream: self._behind.get(stream, b"0") for stream in self._streams}
        entries = await read(self._scheduler, places, group=group, limit=PAGE)
        self._behind = {stream: entry_id for stream, entry_id, _ in entries}
        return entries

    async def _look(self) -> None:
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        names = self._scheduler.names
        found: set[str] = set()
        for worker in self._settings.workers:
            found.update(await self._scheduler.streams(names.ready(worker)))
        self._streams = sorted(key for key in found if not is_dead_letters(key))
        for stream in self._streams:
            await self._scheduler.join(stream, names.group)
            await self._take_over(stream)
        self._look_at = now + LOOK_S

    async def _take_over(self, stream: str) -> None:
        """Make abandoned entries ours; they are read with what else is pending."""
        start: bytes | str = "0-0"
        idle_ms = int(self._settings.claim_idle_s * 1000)
        group = self._scheduler.names.group
        while True:
            with answering():
                start, claimed, *gone = await self._scheduler.client.xautoclaim(
                    stream, group, CONSUMER, idle_ms, start, count=PAGE
                )
            if gone and gone[0]:
                _log.warning("%d entries of %s were trimmed before anybody did them", len(gone[0]), stream)
            if claimed:
                self._again_at = 0.0
            if start in (b"0-0", "0-0"):
                return

    async def _is_full(self) -> bool:
        with answering():
            count = await self._scheduler.client.hlen(self._scheduler.names.own("open"))
        return int(count) >= self._settings.max_open

    async def _deal(self, entries: Entries) -> int:
        places: list[tuple[str, bytes, dict[bytes, bytes], str]] = []
        submissions: list[Submission] = []
        for stream, entry_id, fields in entries:
            try:
                order_id, submission = order_of(fields, default_task=self._settings.task)
            except CallerError as error:
                await self._refuse(stream, entry_id, fields, error)
                continue
            places.append((stream, entry_id, fields, order_id))
            submissions.append(submission)
        if not submissions:
            return len(entries)
        verdicts = await self._verdicts(submissions)
        for (stream, entry_id, fields, order_id), verdict in zip(places, verdicts, strict=True):
            if not isinstance(verdict, TaskgateError):
                await self._keep(stream, entry_id, run_id=verdict.run.id, order_id=order_id)
                self.accepted_count += 1
            elif (isinstance(verdict, NotFound) and self._is_young(entry_id)) or isinstance(verdict, NotNow):
                continue
            else:
                await self._refuse(stream, entry_id, fields, verdict)
        return len(entries)

    async def _keep(self, stream: str, entry_id: bytes, *, run_id: str, order_id: str) -> None:
        """Acknowledge what is a run; one that was cancelled before its entry was read is ended first."""
        if not await self._scheduler.accept(stream, entry_id, run_id=run_id, order_id=order_id):
            await self._cancel(run_id)
            await self._scheduler.accept(stream, entry_id, run_id=run_id, order_id=order_id, is_cancelled=True)

    async def _verdicts(self, submissions: list[Submission]) -> list[Accepted | TaskgateError]:
        """One verdict for each; orders that were cancelled already are accepted to be ended, and begun by nobody."""
        cancelled = await cancelled_of(self._scheduler, [one.idempotency_key for one in submissions])
        asked = [replace(one, delay_s=NEVER_S) if one.idempotency_key in cancelled else one for one in submissions]
        verdicts = await self._submitted(asked)
        for place, (one, verdict) in enumerate(zip(submissions, verdicts, strict=True)):
            if isinstance(verdict, KeyReused) and one.idempotency_key in cancelled:
                verdicts[place] = (await self._submitted([one]))[0]  # it was a run before its cancel was heard
        return verdicts

    async def _submitted(self, submissions: list[Submission]) -> list[Accepted | TaskgateError]:
        """One verdict for each; where the store refuses all of them for the sake of one, each is asked for alone."""
        try:
            return await self._intake.submit(self._principal, submissions)
        except CallerError as error:
            if len(submissions) == 1:
                return [error]
            return [verdict for one in submissions for verdict in await self._submitted([one])]

    async def _refuse(self, stream: str, entry_id: bytes, fields: dict[bytes, bytes], error: TaskgateError) -> None:
        now = self._clock.now()
        reason = {
            "_reason_code": error.code,
            "_reason": error.detail[:1000],
            "_original_stream": stream,
            "_original_id": entry_id.decode(),
            "_refused_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        }
        told = {name.encode(): value.encode() for name, value in reason.items()}
        told = told | fields | told  # the reason stands first, and is never one that came with the entry
        oldest = f"{max(0, int((now - self._settings.keep_s) * 1000))}-0"
        await self._scheduler.refuse(stream, entry_id, fields=told, oldest=oldest)
        self.refused_count += 1
        _log.warning("an entry of %s is a dead letter in %s: %s", stream, dead_letters(stream), error.code)

    def _is_young(self, entry_id: bytes) -> bool:
        """Whether the entry may still wait for somebody who declares its task; its id begins with its moment, as
        whoever wrote it chose: one far ahead is no reason to wait until then."""
        at_ms = entry_id.split(b"-")[0]
        return at_ms.isdigit() and abs(self._clock.now() - int(at_ms) / 1000) < self._settings.patience_s
