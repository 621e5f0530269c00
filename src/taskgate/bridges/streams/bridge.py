"""The bridge as a part of the gateway: one gateway at a time reads, every gateway returns what it ended.

It leads the duty `streams-bridge` (a lease in the ledger): reading entries and cancel orders, the sweep for
results that nobody returned, the journals. Two leaders for a moment do no harm: an entry is one run by its
idempotency key, a result is put back once by its mark, a line has one number.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from taskgate.bridges.settings import StreamsSettings
from taskgate.bridges.streams.logs import LogCarrier
from taskgate.bridges.streams.names import CONTROL_GROUP, DUTY, Names
from taskgate.bridges.streams.orders import cancelled_in
from taskgate.bridges.streams.reading import Reader
from taskgate.bridges.streams.returning import Returner
from taskgate.bridges.streams.scheduler import Scheduler, answering, connect, read
from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import CallerError, NotNow, StoreError, TaskgateError
from taskgate.events import RunFinished
from taskgate.identity.principal import Principal
from taskgate.ids import new_token
from taskgate.journal.reading import RunJournal
from taskgate.lifespan import TaskSet
from taskgate.runs.desk import Desk
from taskgate.runs.intake import Intake
from taskgate.runs.ports import Leadership, RunBook

_log = logging.getLogger(__name__)
TERM_S = 15.0
PAUSE_S = 1.0
SUBMITTED_BY = "bridge:streams"
Step = Callable[[], Awaitable[None]]


class StreamsBridge:
    """Starts with the gateway, also while the scheduler's Redis is away: it waits for it."""

    def __init__(
        self,
        settings: StreamsSettings,
        *,
        intake: Intake,
        desk: Desk,
        book: RunBook,
        journal: RunJournal,
        leadership: Leadership,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._leadership = leadership
        self._clock = clock
        self._holder = new_token()
        self._campaign_at = 0.0
        self._look_at = 0.0
        self._orders: list[str] = []
        self._principal = Principal(
            id=SUBMITTED_BY,
            name="the scheduler's bridge",
            kind="service",
            scopes=frozenset({"submit", "read"}),
            site_id=settings.site_id,
        )
        self._scheduler = Scheduler(connect(settings.url), Names(settings.namespace))
        self.reader = Reader(
            self._scheduler, intake, principal=self._principal, settings=settings, clock=clock, cancel=self._end
        )
        self.returner = Returner(self._scheduler, book, submitted_by=SUBMITTED_BY, settings=settings)
        self.logs = LogCarrier(self._scheduler, journal, book=book, settings=settings)
        self.tasks = TaskSet()
        bus.subscribe(RunFinished, self.returner.told)

    async def start(self) -> None:
        """Begin; nothing is waited for."""
        self.tasks.spawn(self.returner.work(), name="results for the scheduler")
        self.tasks.spawn(self._repeat(self._read), name="the scheduler's entries")
        self.tasks.spawn(self._repeat(self._cancel), name="the scheduler's orders")
        self.tasks.spawn(self._repeat(self._sweep), name="sweep for the scheduler")

    async def stop(self) -> None:
        """Let go: what is not acknowledged is read again, by this gateway's successor or another one."""
        await self.tasks.close()
        await self.logs.stop()
        await self._scheduler.client.aclose()
        try:
            await self._leadership.resign(DUTY, self._holder)
        except (NotNow, StoreError) as error:
            _log.warning("the bridge's duty was not given back: %s", error)

    async def _repeat(self, step: Step) -> None:
        """Do it while the duty is ours; a pause where it is not, or where something is away."""
        is_away = False
        while True:
            try:
                if await self._leads():
                    await step()
                    is_away = False
                    continue
            except TaskgateError as error:
                if not is_away:
                    _log.warning("the bridge waits: %s", error)
                is_away = True
            await asyncio.sleep(PAUSE_S)

    async def _leads(self) -> bool:
        now = self._clock.monotonic()
        if now < self._campaign_at:
            return True
        if await self._leadership.campaign(DUTY, self._holder, duration_s=TERM_S) is None:
            await self.logs.stop()
            return False
        self._campaign_at = now + TERM_S / 3
        return True

    async def _read(self) -> None:
        await self.reader.turn()

    async def _sweep(self) -> None:
        await self.returner.sweep()
        await self.logs.sweep()
        await asyncio.sleep(self._settings.sweep_s)

    async def _cancel(self) -> None:
        """Orders to any worker: a cancel is done, the others are not for us; each is acknowledged."""
        names = self._scheduler.names
        now = self._clock.monotonic()
        if now >= self._look_at:
            found = {names.orders("global")}
            for worker in self._settings.workers:
                found.update(await self._scheduler.streams(names.orders(worker)))
            for stream in found:  # those that were known too: a stream that was deleted took our group with it
                await self._scheduler.join(stream, CONTROL_GROUP, start="0")
            self._orders = sorted(found)
            self._look_at = now + self._settings.sweep_s
        for place, block_s in (("0", 0.0), (">", 1.0)):
            orders = await read(
                self._scheduler, dict.fromkeys(self._orders, place), group=CONTROL_GROUP, block_s=block_s
            )
            for stream, entry_id, fields in orders:
                await self._obey(cancelled_in(fields))
                with answering():
                    await self._scheduler.client.xack(stream, CONTROL_GROUP, entry_id)

    async def _obey(self, order_id: str) -> None:
        if not order_id:
            return
        run_id = await self._scheduler.cancelled(order_id, keep_s=self._settings.keep_s)
        if run_id:
            await self._end(run_id)

    async def _end(self, run_id: str) -> None:
        try:
            await self._desk.cancel(self._principal, run_id)
        except CallerError as error:
            _log.info("the scheduler's cancel of %s changes nothing: %s", run_id, error.code)
