"""How much waits in every queue, for those who scale workers and for those who watch.

The census reads every open run, so its answer is kept: at least `KEEP_S`, longer where the reading took long, and one
reading serves all who ask meanwhile. A queue that is known has a row when nothing waits in it: a scaler that finds no
row does not scale to zero, it fails. Known are the queues of every task that may be submitted, those that somebody
connected serves, and the last `REMEMBERED` that ever had a run.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine, Iterable
from typing import Any

from msgspec import Struct

from taskgate.clock import Clock
from taskgate.fleet.fleet import Fleet, able_to
from taskgate.identity.principal import Principal
from taskgate.runs.chain import queue_of
from taskgate.runs.definitions import Definitions
from taskgate.runs.ports import Census, QueueStanding
from taskgate.runs.task import QueueKey

KEEP_S = 2.0
REST = 20.0  # a reading that took a second is not repeated for twenty
REMEMBERED = 1000
REMEMBERED_ASKERS = 256

Asked = tuple[str | None, str]


class QueueView(Struct, frozen=True, kw_only=True):
    """A queue as callers see it. `oldest_age_s` is 0 where nothing waits; `slots_free` of the workers that fit."""

    queue: QueueKey
    depth: int = 0
    scheduled: int = 0
    running: int = 0
    oldest_age_s: float = 0.0
    workers: int = 0
    slots_free: int = 0


class _Reading:
    """One question's answer, or the reading that will bring it."""

    def __init__(self, rows: Coroutine[Any, Any, list[QueueStanding]]) -> None:
        self.rows = asyncio.create_task(rows, name="census")
        self.good_until = float("inf")


class Standings:
    """Keeps what the census said. Failures are not kept: they are the asker's, and the next one asks again."""

    def __init__(self, census: Census, definitions: Definitions, *, fleet: Fleet, clock: Clock) -> None:
        self._census = census
        self._definitions = definitions
        self._fleet = fleet
        self._clock = clock
        self._readings: OrderedDict[Asked, _Reading] = OrderedDict()
        self._read_at = 0.0
        self._met: OrderedDict[tuple[str, QueueKey], None] = OrderedDict()

    @property
    def age_s(self) -> float:
        """How old the newest whole census is; 0 before the first."""
        return max(0.0, self._clock.monotonic() - self._read_at) if self._read_at else 0.0

    async def everywhere(self) -> list[QueueView]:
        """Every queue, the sites together, by name; for operators."""
        rows = await self._read((None, ""))
        known = {queue for _, queue in self._met} | set(self._declared(None))
        return self._views(rows, known, site_id=None)

    async def of(self, principal: Principal, *, site_id: str | None) -> list[QueueView]:
        """The queues of a site (None: of all) as this caller may see them, by name."""
        if site_id is None and not principal.user_id:
            return await self.everywhere()
        if principal.user_id:
            rows = await self._read((site_id, principal.user_id))
        else:
            rows = [row for row in await self._read((None, "")) if row.site_id == site_id]
        known = {queue for site, queue in self._met if site == site_id} | set(self._declared(site_id))
        return self._views(rows, known, site_id=site_id)

    async def _read(self, asked: Asked) -> list[QueueStanding]:
        now = self._clock.monotonic()
        reading = self._readings.get(asked)
        if reading is None or now >= reading.good_until:
            reading = self._readings[asked] = _Reading(self._ask(asked))
            reading.rows.add_done_callback(lambda _: self._answered(reading, began=now))
            while len(self._readings) > REMEMBERED_ASKERS:
                self._readings.popitem(last=False)
        return await asyncio.shield(reading.rows)

    def _answered(self, reading: _Reading, *, began: float) -> None:
        """How long this answer is good: a failure not at all."""
        now = self._clock.monotonic()
        failed = reading.rows.cancelled() or reading.rows.exception() is not None
        reading.good_until = began if failed else now + max(KEEP_S, REST * (now - began))

    async def _ask(self, asked: Asked) -> list[QueueStanding]:
        began = self._clock.monotonic()
        rows = await self._census.standing(site_id=asked[0], user_id=asked[1])
        if asked == (None, ""):
            self._read_at = began
        for row in rows:
            self._met[row.site_id, row.queue] = None
            self._met.move_to_end((row.site_id, row.queue))
        while len(self._met) > REMEMBERED:
            self._met.popitem(last=False)
        return rows

    def _declared(self, site_id: str | None) -> Iterable[QueueKey]:
        """The queues in which runs of a task begin, pinned to no version."""
        for known in self._definitions.current(site_id):
            yield queue_of(known.definition.name, known.chain[0], version="")

    def _views(self, rows: list[QueueStanding], known: set[QueueKey], *, site_id: str | None) -> list[QueueView]:
        now = self._clock.now()
        by_queue: dict[QueueKey, list[QueueStanding]] = {queue: [] for queue in known}
        for row in rows:
            by_queue.setdefault(row.queue, []).append(row)
        return [self._view(queue, by_queue[queue], site_id=site_id, now=now) for queue in sorted(by_queue)]

    def _view(self, queue: QueueKey, rows: list[QueueStanding], *, site_id: str | None, now: float) -> QueueView:
        oldest_at = min((row.oldest_at for row in rows if row.oldest_at is not None), default=None)
        able = [
            holder
            for holder in able_to(self._fleet, queue.task)
            if holder.can_do(queue.task, version=queue.version, labels=queue.labels)
            and (site_id is None or holder.serves(site_id))
        ]
        return QueueView(
            queue=queue,
            depth=sum(row.queued_count for row in rows),
            scheduled=sum(row.scheduled_count for row in rows),
            running=sum(row.running_count for row in rows),
            oldest_age_s=0.0 if oldest_at is None else max(0.0, now - oldest_at),
            workers=len(able),
            slots_free=sum(max(0, holder.free) for holder in able),
        )
