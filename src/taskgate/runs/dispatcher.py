"""Bringing queued runs and free workers together.

Two ways lead to a worker. The short one: a run is accepted while a fitting worker has credit and nobody is
ahead of it in its queue; the matcher reserves a lease inside the accepting commit and `deliver` sends it. The
long one: the run is put into the ready queue, and one pump takes for all workers with credit at once, and what it
took is claimed in one commit and sent. While that is written the next is taken; what was taken first is sent first.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from taskgate.errors import NotNow, StoreError
from taskgate.fleet.fleet import Fleet
from taskgate.fleet.holder import Holder
from taskgate.lifespan import TaskSet
from taskgate.runs.definitions import Definitions
from taskgate.runs.matching import Crowd, Matcher
from taskgate.runs.ports import Claim, QueuedRef, ReadyQueue, ReadySignal, RunLedger
from taskgate.runs.run import Run
from taskgate.runs.task import QueueKey

_log = logging.getLogger(__name__)
TAKE_LIMIT = 256
COMMITS = 2  # claims that are written at a time: while one is, the next is taken
PAUSE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """Queues that had less than was asked for, as far as a site sees, after so many notes of the matcher."""

    queues: list[QueueKey]
    site_id: str | None
    notes: int


class Lends(Protocol):
    """Who lends credit of the workers here to other gateways."""

    def nudge(self) -> None: ...

    def call_back(self) -> None: ...


class Dispatcher:
    """Takes, claims and delivers. `on_delivered` is told of every run that goes out to a worker. `is_shared`: others
    fill and empty the ready queue too, and one of them checks it against the ledger (the janitor that leads)."""

    def __init__(
        self,
        ledger: RunLedger,
        ready: ReadyQueue,
        *,
        definitions: Definitions,
        fleet: Fleet,
        matcher: Matcher,
        probe: Callable[[str], None],
        on_delivered: Callable[[Run, Holder], None],
        is_shared: bool = False,
    ) -> None:
        self._ledger = ledger
        self._ready = ready
        self._definitions = definitions
        self._fleet = fleet
        self._matcher = matcher
        self._probe = probe
        self._on_delivered = on_delivered
        self.is_shared = is_shared
        self.lender: Lends | None = None
        self._wake = asyncio.Event()
        self._commits = asyncio.Semaphore(COMMITS)
        self._latest: asyncio.Task[None] | None = None
        self.tasks = TaskSet()
        matcher.on_free = self._look_for_work

    async def start(self) -> None:
        """Offer what an earlier life left queued, then begin to pump."""
        self.tasks.spawn(self._listen(self._ready.listen()), name="dispatcher news")
        await self.reconcile(leads=not self.is_shared)
        self.tasks.spawn(self._pump(), name="dispatcher pump")

    async def stop(self) -> None:
        await self.tasks.close()

    def wake(self, holder: Holder | None = None) -> None:
        """A worker got credit (None: perhaps several did): look for work for it."""
        for one in self._fleet if holder is None else (holder,):
            self._matcher.seekers.add(one)
        self._look_for_work()

    def deliver(self, run: Run) -> None:
        """Send a leased run to its holder; when it left meanwhile, the lease's few seconds decide."""
        self._probe("claim|send")
        holder = self._matcher.settle(run)
        if holder is not None:
            self._on_delivered(run, holder)

    async def enqueue(self, runs: Sequence[Run]) -> None:
        """Offer queued runs to whoever gets credit next."""
        refs = [_ref(run) for run in runs]
        self._matcher.note(ref.queue for ref in refs)
        await self._ready.offer(refs)
        self._wake.set()

    async def replace(self, run: Run, avoid: str) -> None:
        """Queue a run again that its holder gave up, at another worker at once if one is free."""
        grant = self._matcher.reserve(run, avoid=avoid) if avoid else None
        if grant is None:
            await self.enqueue([run])
            return
        try:
            claims = [Claim(run_id=run.id, grant=grant)]
            await self._send(claims, await self._ledger.claim(claims))
        except (NotNow, StoreError):
            await self.enqueue([run])
        finally:
            self._matcher.release([grant])  # what was delivered is settled, and is not given back

    async def reconcile(self, *, leads: bool = True) -> int:
        """Offer every queued run of the ledger again (offering is idempotent); returns how many there are.

        Where another gateway leads, that is its work: here we look into the ready queue alone.
        """
        if not leads:
            await self._look()
            return 0
        self.wake()
        after, count = "", 0
        while page := await self._ledger.queued(after, 1000):
            self._matcher.note(ref.queue for ref in page)
            await self._ready.offer(page)
            count += len(page)
            after = page[-1].run_id
            self._wake.set()
        return count

    def _look_for_work(self) -> None:
        """There is credit: have the pump, and other gateways that wish it, look."""
        if self._matcher.backlog:
            self._wake.set()
        if self.lender is not None:
            self.lender.nudge()

    async def _look(self) -> None:
        """Find the queues in which something waits, whoever put it there: news of it may have been missed."""
        depth = await self._left()
        if depth is None:
            return
        self._matcher.note(queue for queue, count in depth.items() if count)
        self.wake()

    async def _listen(self, signal: ReadySignal) -> None:
        try:
            while True:
                queues = await signal.changed()
                self._matcher.note(queues)
                self._wake.set()
                if not queues:
                    await self._recover()
        finally:
            signal.close()

    async def _recover(self) -> None:
        """The ready queue may have lost something: offer everything again, until the ledger lets us read it all."""
        while True:
            try:
                _log.warning("the ready queue may have lost runs; %d that wait were offered", await self.reconcile())
                return
            except (NotNow, StoreError) as error:
                _log.warning("offering what waits pauses: %s", error)
                await asyncio.sleep(PAUSE_S)

    async def _pump(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                while await self._round():
                    pass
            except (NotNow, StoreError) as error:
                _log.warning("dispatch pauses: %s", error)
                await asyncio.sleep(PAUSE_S)
                self._wake.set()

    async def _round(self) -> bool:
        """Take once for every crowd of workers, and begin to claim all of it in one commit; False when nothing came."""
        claims: list[Claim] = []
        refs: list[QueuedRef] = []
        end: _End | None = None
        if self.lender is not None:
            self.lender.call_back()
        await self._commits.acquire()
        try:
            for crowd in self._matcher.crowds():
                await self._forget(end)
                end = await self._take(crowd, refs=refs, claims=claims)
        except (NotNow, StoreError, asyncio.CancelledError):
            # what was taken for one crowd must not go with what could not be asked for the next
            self._commits.release()
            await self._undo(claims, refs)
            raise
        if claims:
            self._latest = self.tasks.spawn(self._commit(claims, refs, earlier=self._latest), name="dispatcher claim")
        else:
            self._commits.release()
        await self._forget(end)
        return bool(claims)

    async def _commit(self, claims: list[Claim], refs: list[QueuedRef], *, earlier: asyncio.Task[None] | None) -> None:
        """Claim what a round took, and send it; what cannot be claimed now is offered again."""
        try:
            self._probe("take|claim")
            claimed = await self._ledger.claim(claims)
            if earlier is not None:
                await asyncio.wait((earlier,))  # what was taken first goes out first
            await self._send(claims, claimed)
            self._matcher.release([claim.grant for claim, run in zip(claims, claimed, strict=True) if run is None])
        except (NotNow, StoreError) as error:
            _log.warning("dispatch pauses: %s", error)
            await self._undo(claims, refs)
            await asyncio.sleep(PAUSE_S)
        except asyncio.CancelledError:
            await self._undo(claims, refs)
            raise
        finally:
            self._commits.release()
            self._wake.set()

    async def _undo(self, claims: list[Claim], refs: list[QueuedRef]) -> None:
        """Give all of a round back. Where the ready queue is away too, the reconciler finds its runs queued."""
        self._matcher.release([claim.grant for claim in claims])
        try:
            await self._give_back(refs)
        except (NotNow, StoreError) as error:
            _log.warning("%d runs that were taken wait to be found again: %s", len(refs), error)

    async def _take(self, crowd: Crowd, *, refs: list[QueuedRef], claims: list[Claim]) -> _End | None:
        """Take waiting runs for a crowd, as many as it has credit for; where its queues end, if that was seen."""
        queues = [queue for queue in crowd.queues if queue in self._matcher.backlog]
        limit, notes = min(crowd.free, TAKE_LIMIT), self._matcher.notes
        if not queues or limit <= 0:
            return None
        taken = await self._ready.take(queues, limit, site_id=crowd.site_id)
        (self._matcher.ended.update if len(taken) < limit else self._matcher.ended.difference_update)(queues)
        refs += taken
        grants = self._matcher.grants(crowd, len(taken))
        claims += [Claim(run_id=ref.run_id, grant=grant) for ref, grant in zip(taken, grants, strict=False)]
        if len(grants) < len(taken):
            await self._give_back(taken[len(grants) :])
        return _End(queues=queues, site_id=crowd.site_id, notes=notes) if len(taken) < limit else None

    async def _forget(self, end: _End | None) -> None:
        """Queues that are empty are no backlog, unless there was news of some meanwhile."""
        if end is None:
            return
        # a worker of one site has seen the end of that site's runs only
        left = await self._left() if end.site_id is not None else {}
        if end.notes == self._matcher.notes and left is not None:
            self._matcher.backlog.difference_update(queue for queue in end.queues if not left.get(queue))

    async def _give_back(self, refs: list[QueuedRef]) -> None:
        self._matcher.note(ref.queue for ref in refs)
        await self._ready.offer(refs)

    async def _left(self) -> dict[QueueKey, int] | None:
        """How much waits, None while nobody can tell: who has taken something must not lose it by asking."""
        try:
            return await self._ready.depth()
        except (NotNow, StoreError) as error:
            _log.warning("the ready queue cannot be looked at: %s", error)
            return None

    async def _send(self, claims: Sequence[Claim], claimed: Sequence[Run | None]) -> None:
        """Deliver what was claimed."""
        for run, claim in zip(claimed, claims, strict=True):
            if run is None:
                continue
            if await self._definitions.digests.find(run.definition) is None:
                _log.error("run %s is given to nobody: its definition %s is lost", run.id, run.definition)
                self._matcher.release([claim.grant])  # its lease runs out, and the end of a lease fails it
                continue
            self.deliver(run)


def _ref(run: Run) -> QueuedRef:
    return QueuedRef(
        run_id=run.id,
        queue=run.queue,
        site_id=run.tenant.site_id,
        priority=run.priority,
        created_at=run.created_at,
    )
