"""Who is connected to this gateway, and who of them can take a piece of work.

One holder per worker id: a second connection under an id replaces the first, which is closed with 4409.
The fleet decides nothing about runs; it answers who fits, and keeps the roster of workers ever seen,
which is written at hello, bye and loss and never per heartbeat.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from taskgate.clock import Clock
from taskgate.errors import Forbidden, NotFound, NotNow, StoreError
from taskgate.fleet.holder import Holder, Labels
from taskgate.fleet.neighbours import Neighbours, Penman, WorkerPost
from taskgate.fleet.ports import Roster, WorkerRecord
from taskgate.identity.lineage import comes_of

_log = logging.getLogger(__name__)
REPLACED = 4409
WORKERS = "workers"
REVOKED = (4401, "the key was revoked")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """A worker as callers see it. `status`: `online`, `degraded` (a heartbeat is late), `draining`, `offline`."""

    id: str
    kind: str
    transport: str
    site_id: str
    tasks: tuple[str, ...]
    labels: dict[str, str]
    slots: int
    running: int
    status: str
    load: dict[str, float] = field(default_factory=dict)
    last_heartbeat_at: float | None = None
    first_seen_at: float | None = None


class Fleet:
    """Connected holders by worker id, and the roster behind them."""

    def __init__(self, roster: Roster, clock: Clock, *, heartbeat_s: float = 10.0) -> None:
        self._roster = roster
        self._clock = clock
        self.penman = Penman(clock, late_after_s=heartbeat_s * 1.5)
        self._holders: dict[str, Holder] = {}
        self.by_task: dict[str, dict[str, Holder]] = {}
        self.generation = 0
        self.neighbours: Neighbours | None = None
        self.drain_elsewhere: Callable[[str], Awaitable[None]] = _nowhere

    def __iter__(self) -> Iterator[Holder]:
        return iter(tuple(self._holders.values()))

    def __len__(self) -> int:
        return len(self._holders)

    def find(self, worker_id: str) -> Holder | None:
        return self._holders.get(worker_id)

    async def join(self, holder: Holder) -> None:
        """Seat the holder, close an older connection of the same worker, and write the roster. Forbidden, and nobody
        is seated, where another site has used this id first."""
        earlier = self._holders.get(holder.id)
        if earlier is not None:
            self._unseat(earlier)
        self._holders[holder.id] = holder
        for task in holder.tasks:
            self.by_task.setdefault(task, {})[holder.id] = holder
        self.generation += 1
        if earlier is not None:
            earlier.seat.close(REPLACED, "replaced by a newer connection")
        if holder.target == WORKERS and not await self._roster.save(_record(holder, self._clock.now())):
            if self._holders.get(holder.id) is holder:
                self._unseat(holder)
            raise Forbidden(f"the worker id {holder.id} is taken", code="WORKER_ID_TAKEN")

    async def leave(self, holder: Holder) -> bool:
        """Unseat the holder if it still is the one seated under its id; a store that is away does not hinder it."""
        if self._holders.get(holder.id) is not holder:
            return False
        self._unseat(holder)
        if holder.target != WORKERS:
            return True
        try:
            await self._roster.gone(holder.id, self._clock.now())
        except (NotNow, StoreError) as error:
            _log.warning("worker %s left while the roster was away: %s", holder.id, error)
        return True

    def fitting(self, site_id: str, task: str, *, version: str = "", labels: Labels = ()) -> Iterator[Holder]:
        """Connected workers that can do this task for that site, busy ones too, the longest unused first."""
        for holder in self.by_task.get(task, {}).values():
            if holder.serves(site_id) and holder.can_do(task, version=version, labels=labels):
                yield holder

    def used(self, holder: Holder, task: str) -> None:
        """This worker was given a run of the task: the others come first now."""
        able = self.by_task.get(task, {})
        if able.pop(holder.id, None) is not None:
            able[holder.id] = holder

    async def drain(self, worker_id: str, *, site_id: str | None) -> None:
        """Ask a worker to finish what it holds and leave. NotFound when it is not connected (or another site's)."""
        holder = self._holders.get(worker_id)
        found = holder or seen_elsewhere(self, worker_id)
        if found is None or (site_id is not None and found.site_id not in (None, site_id)):
            raise NotFound(f"no worker {worker_id} is connected", code="UNKNOWN_WORKER")
        if holder is None:
            await self.drain_elsewhere(worker_id)
            return
        holder.draining = True
        holder.seat.drain(reason="asked by an operator", reconnect=False, delay_s=0.0)

    async def workers(self, site_id: str | None) -> list[WorkerView]:
        """Every worker ever seen that serves the site (None = all sites), connected ones first."""
        records = await self._roster.all(None)
        if self.neighbours is not None:
            await self.neighbours.look()
        views = [self._view(record) for record in records]
        seen = [view for view in views if site_id is None or view.site_id in (site_id, "*")]
        return sorted(seen, key=lambda view: (view.status == "offline", view.id))

    def _unseat(self, holder: Holder) -> None:
        del self._holders[holder.id]
        for task in [task for task, able in self.by_task.items() if holder.id in able]:
            del self.by_task[task][holder.id]
            if not self.by_task[task]:
                del self.by_task[task]
        self.generation += 1

    def _view(self, record: WorkerRecord) -> WorkerView:
        holder = self._holders.get(record.worker_id)
        post = seen_elsewhere(self, record.worker_id) if holder is None else self.penman.post(holder)
        return WorkerView(
            id=record.worker_id,
            kind=record.kind,
            transport=record.transport,
            site_id=record.site_id,
            tasks=record.tasks,
            labels=record.labels,
            slots=record.slots,
            running=0 if post is None else post.running,
            status="offline" if post is None else post.status,
            load={} if post is None else post.load,
            last_heartbeat_at=record.last_seen_at if post is None else post.last_heartbeat_at,
            first_seen_at=record.first_seen_at,
        )


def able_to(fleet: Fleet, task: str) -> list[Holder | WorkerPost]:
    """Those of `able` that have this task, busy ones and drained ones too."""
    away = {} if fleet.neighbours is None else fleet.neighbours.elsewhere()
    others = (worker for worker in away.values() if task in worker.tasks and fleet.find(worker.id) is None)
    return [*fleet.by_task.get(task, {}).values(), *others]


def able(fleet: Fleet) -> list[Holder | WorkerPost]:
    """Every holder here and every worker that is connected to another gateway."""
    away = {} if fleet.neighbours is None else fleet.neighbours.elsewhere()
    return [*fleet, *(worker for worker in away.values() if fleet.find(worker.id) is None)]


def posted(fleet: Fleet) -> list[WorkerPost]:
    """The workers of this gateway, for the others to know."""
    return [fleet.penman.post(holder) for holder in fleet if holder.target == WORKERS]


def seen_elsewhere(fleet: Fleet, worker_id: str) -> WorkerPost | None:
    """The worker of this id at another gateway, None when there is none (or it is here)."""
    if fleet.neighbours is None or fleet.find(worker_id) is not None:
        return None
    return fleet.neighbours.elsewhere().get(worker_id)


def evict(fleet: Fleet, key_id: str) -> None:
    """Close every connection that was opened with this key, or by this subject or token (INV-A5)."""
    for holder in fleet:
        if key_id in (holder.key_id, holder.token_id) or comes_of(holder.lineage, key_id):
            holder.seat.close(*REVOKED)


async def _nowhere(worker_id: str) -> None:
    """There is no other gateway."""


def _record(holder: Holder, now: float) -> WorkerRecord:
    return WorkerRecord(
        worker_id=holder.id,
        site_id=holder.site_id or "*",
        transport=holder.transport,
        tasks=tuple(sorted(holder.tasks)),
        labels=holder.labels,
        slots=holder.slots,
        key_id=holder.key_id,
        first_seen_at=now,
        last_seen_at=now,
        metadata=holder.metadata,
    )
