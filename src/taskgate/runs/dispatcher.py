"""Bringing queued runs and free workers together.

Two ways lead to a worker. The short one: a run is accepted while a fitting worker has credit and nobody is
ahead of it in its queue; `reserve` gives it a lease inside the accepting commit and `deliver` sends it. The
long one: the run is put into the ready queue, and one pump takes for all workers with credit at once, claims
what it took in one commit and sends it.

Who owns what: a take owns nothing, a credit that was reserved is given back when the claim is refused, only
the ledger's lease counts. If the process dies
  between add and deliver      the lease runs out after `offer_s` and the janitor queues the run again;
  between take and claim       the reconciler finds the run queued and offers it again;
  between claim and send       as after add.
The ready queue may lose everything at any time: the ledger still says `queued`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.fleet.fleet import Fleet
from taskgate.fleet.holder import Holder
from taskgate.ids import new_token
from taskgate.lifespan import TaskSet
from taskgate.runs.ports import Claim, Grant, QueuedRef, ReadyQueue, RunLedger
from taskgate.runs.run import Run
from taskgate.runs.settings import RunSettings
from taskgate.runs.task import QueueKey

_log = logging.getLogger(__name__)
TAKE_LIMIT = 256


class Dispatcher:
    """Reserves, takes, claims and delivers. `on_delivered` is told of every run that goes out to a holder."""

    def __init__(
        self,
        ledger: RunLedger,
        ready: ReadyQueue,
        fleet: Fleet,
        *,
        clock: Clock,
        settings: RunSettings,
        probe: Callable[[str], None],
        on_delivered: Callable[[Run, Holder], None],
    ) -> None:
        self._ledger = ledger
        self._ready = ready
        self._fleet = fleet
        self._clock = clock
        self._settings = settings
        self._probe = probe
        self._on_delivered = on_delivered
        self._tasks = TaskSet()
        self._wake = asyncio.Event()
        self._known: dict[str, set[QueueKey]] = {}
        self._backlog: set[QueueKey] = set()
        self._notes = 0
        self._reserved: dict[str, Holder] = {}

    async def start(self) -> None:
        """Begin pumping. Call `reconcile` first, so that runs of an earlier life are not overtaken."""
        self._tasks.spawn(self._listen(), name="dispatcher news")
        self._tasks.spawn(self._pump(), name="dispatcher pump")

    async def stop(self) -> None:
        await self._tasks.close()

    def wake(self) -> None:
        """A worker got credit or joined: look for work for it."""
        if self._backlog:
            self._wake.set()

    # ---------------------------------------------------------------- the short way

    def reserve(self, run: Run, *, avoid: str = "") -> Grant | None:
        """A lease for the least loaded fitting worker with credit, None when the run has to queue."""
        if run.queue in self._backlog and not avoid:
            return None
        self._learn(run.queue)
        best: Holder | None = None
        for holder in self._fleet.fitting(run.queue.task, run.queue.version, run.queue.labels, run.tenant.site_id):
            if holder.free <= 0 or holder.id == avoid:
                continue
            if best is None or _burden(holder) < _burden(best):
                best = holder
        return None if best is None else self._granted(best)

    def release(self, grants: Iterable[Grant]) -> None:
        """Give back credit that was reserved and not used."""
        for grant in grants:
            holder = self._reserved.pop(grant.token, None)
            if holder is not None:
                holder.offered_count -= 1
        self.wake()

    def deliver(self, run: Run) -> None:
        """Send a leased run to its holder; when it left meanwhile, the lease's few seconds decide."""
        self._probe("claim|send")
        holder = self._reserved.pop(run.lease.token, None) if run.lease is not None else None
        if holder is not None and self._fleet.find(holder.id) is holder:
            self._on_delivered(run, holder)

    # ---------------------------------------------------------------- the long way

    async def enqueue(self, runs: Sequence[Run]) -> None:
        """Offer queued runs to whoever gets credit next."""
        refs = [_ref(run) for run in runs]
        self._note(refs)
        await self._ready.offer(refs)
        self._wake.set()

    async def replace(self, run: Run, *, avoid: str) -> None:
        """Queue a run again that its holder lost, at another worker if one is free."""
        grant = self.reserve(run, avoid=avoid)
        if grant is None:
            await self.enqueue([run])
            return
        claimed = await self._claim([Claim(run_id=run.id, grant=grant)])
        if claimed[0] is None:
            self.release([grant])

    async def reconcile(self) -> int:
        """Offer every queued run of the ledger again (offering is idempotent); returns how many there are."""
        after, count = "", 0
        while True:
            page = await self._ledger.queued(after, 1000)
            if not page:
                return count
            self._note(page)
            await self._ready.offer(page)
            count += len(page)
            after = page[-1].run_id
            self._wake.set()

    async def _listen(self) -> None:
        signal = self._ready.listen()
        try:
            while True:
                for queue in await signal.changed():
                    self._learn(queue)
                    self._backlog.add(queue)
                    self._notes += 1
                self._wake.set()
        finally:
            signal.close()

    async def _pump(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while await self._round():
                    pass
            except (NotNow, StoreError) as error:
                _log.warning("dispatch pauses: %s", error)
                await asyncio.sleep(0.2)
                self._wake.set()

    async def _round(self) -> bool:
        """Take once for every worker with credit, claim all of it in one commit; False when nothing moved."""
        claims: list[Claim] = []
        refs: list[QueuedRef] = []
        for holder in sorted(self._fleet, key=_burden):
            if holder.free <= 0 or not self._backlog:
                continue
            queues = self._candidates(holder)
            if not queues:
                continue
            limit, notes = min(holder.free, TAKE_LIMIT), self._notes
            taken = await self._ready.take(queues, limit, site_id=holder.site_id)
            if len(taken) < limit and holder.site_id is None and notes == self._notes:
                self._backlog.difference_update(queues)
            for ref in taken:
                claims.append(Claim(run_id=ref.run_id, grant=self._granted(holder)))
                refs.append(ref)
        if not claims:
            return False
        self._probe("take|claim")
        try:
            claimed = await self._claim(claims)
        except (NotNow, StoreError):
            self.release([claim.grant for claim in claims])
            self._note(refs)
            await self._ready.offer(refs)
            raise
        self.release([claim.grant for claim, run in zip(claims, claimed, strict=True) if run is None])
        return True

    async def _claim(self, claims: Sequence[Claim]) -> list[Run | None]:
        runs = await self._ledger.claim(claims)
        for run in runs:
            if run is not None:
                self.deliver(run)
        return runs

    # ---------------------------------------------------------------- matching

    def _candidates(self, holder: Holder) -> list[QueueKey]:
        return [
            queue
            for task in holder.tasks
            for queue in self._known.get(task, ())
            if queue in self._backlog and holder.can_do(task, queue.version, queue.labels)
        ]

    def _granted(self, holder: Holder) -> Grant:
        grant = Grant(holder=holder.id, token=new_token(), duration_s=self._settings.offer_s)
        holder.offered_count += 1
        self._reserved[grant.token] = holder
        return grant

    def _learn(self, queue: QueueKey) -> None:
        self._known.setdefault(queue.task, set()).add(queue)

    def _note(self, refs: Iterable[QueuedRef]) -> None:
        for ref in refs:
            self._learn(ref.queue)
            self._backlog.add(ref.queue)
            self._notes += 1


def _burden(holder: Holder) -> float:
    """How loaded a worker is relative to its slots: fewer held runs per slot first."""
    return len(holder.held) / max(holder.slots, 1)


def _ref(run: Run) -> QueuedRef:
    return QueuedRef(
        run_id=run.id,
        queue=run.queue,
        site_id=run.tenant.site_id,
        priority=run.priority,
        created_at=run.created_at,
    )
