"""Giving out and renewing leases.

Accepts are written lazily: a run that ends before the next flush counts its start in the very commit of
its result. Renewals of all workers are gathered and written together every `accept_flush_s`; a holder is
told `renewed` only after that commit. A lease that is not renewed passes on by the janitor's hand, never
by a guess here.

Races and who wins: result against expiry, cancel against result, two results: whichever the ledger commits
first; the other is stale and its holder is told to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.events import RunStarted
from taskgate.fleet.holder import Holder
from taskgate.lifespan import TaskSet
from taskgate.runs.definitions import Definitions
from taskgate.runs.leases import Bearer, Held, Leases
from taskgate.runs.offers import offer_of, timeout_of
from taskgate.runs.ports import Renewal, Renewed, RunBook, RunLedger
from taskgate.runs.run import Run, Status
from taskgate.runs.settings import RunSettings
from taskgate.wire.messages import Receipt

GRACE_S = 10.0  # a worker ends an overdue try itself; the gateway steps in this much later


class Leasing:
    """Gives leases to holders and keeps them alive."""

    def __init__(
        self,
        ledger: RunLedger,
        book: RunBook,
        *,
        leases: Leases,
        definitions: Definitions,
        bus: Bus,
        clock: Clock,
        settings: RunSettings,
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._leases = leases
        self._definitions = definitions
        self._bus = bus
        self._clock = clock
        self._settings = settings
        self._pending: dict[str, Held] = {}
        self._flush = asyncio.Event()
        self.tasks = TaskSet()

    async def start(self) -> None:
        self.tasks.spawn(self._flusher(), name="lease renewals")

    async def stop(self) -> None:
        await self.tasks.close()

    def deliver(self, run: Run, holder: Holder) -> None:
        """Remember the lease and send the offer."""
        expires_at = self._clock.monotonic() + self._settings.offer_s
        self._leases.put(Held(run, holder.id, instance=holder.instance, expires_at=expires_at))
        holder.held[run.id] = run.attempt
        holder.seat.offer(offer_of(run, self._definitions, offer_s=self._settings.offer_s))

    async def adopt(self, holder: Holder, receipts: Sequence[Receipt]) -> list[Receipt]:
        """A worker came back with leases: take up those that the ledger confirms as its own, return the lost ones.

        Another worker's is not taken up with the best of receipts, nor that of a site which this one does not serve."""
        lost: list[Receipt] = []
        runs = await self._book.get([receipt.run_id for receipt in receipts])
        for receipt, run in zip(receipts, runs, strict=True):
            if run is None or not _matches(run, receipt, holder):
                lost.append(receipt)
                continue
            held = self._leases.find(receipt)
            if held is None:
                await self._definitions.digests.find(run.definition)
                held = Held(run, holder.id, instance=holder.instance, expires_at=self._clock.monotonic())
                held.introduced = run.lease is not None and run.lease.accepted
                self._leases.put(held)
            self._leases.hand_over(held, holder.id, instance=holder.instance)
            holder.held[run.id] = run.attempt
            self.begin(receipt, holder)
        return lost

    def begin(self, receipt: Receipt, holder: Holder) -> bool:
        """The run has really started; written with the next flush. False: the receipt is stale, or another's."""
        held = self._leases.find(receipt, holder)
        if held is None:
            return False
        if not held.accepted:
            held.accepted = True
            self._count_time(held)
            holder.forgive(held.run.task)
        self._pending[held.run.id] = held
        self._flush.set()
        return True

    def _count_time(self, held: Held) -> None:
        """The try has begun, now or when the ledger says so: its limit goes on where another gateway, or an earlier
        life of this one, has left it. What ended meanwhile has `GRACE_S` to be told."""
        now, current = self._clock.now(), held.run.current
        began_at = current.started_at if current is not None else None
        held.started_at = now if began_at is None else min(began_at, now)
        timeout_s = timeout_of(held.run, self._definitions)
        if timeout_s is not None:
            left_s = max(timeout_s - (now - held.started_at), 0.0)
            held.timeout_at = self._clock.monotonic() + left_s + GRACE_S

    async def renew(self, receipts: Sequence[Receipt], bearer: Bearer) -> tuple[list[Receipt], list[Receipt]]:
        """Renew what needs it of what this worker has; returns (held for `left_s` more, to be stopped).

        What is renewed is told after its commit; a fresh lease is told what it has left, without a write. While
        the store is away a lease that needs renewing is in neither.
        """
        waits: list[tuple[Receipt, asyncio.Future[Renewed | None]]] = []
        renewed: list[Receipt] = []
        stop: list[Receipt] = []
        below = self._settings.lease_s * self._settings.renew_below
        for receipt in receipts:
            held = self._leases.find(receipt, bearer)
            if held is None:
                stop.append(receipt)
            elif held.expires_at - self._clock.monotonic() < below:
                future: asyncio.Future[Renewed | None] = asyncio.get_running_loop().create_future()
                held.waiters.append(future)
                self._pending[held.run.id] = held
                waits.append((receipt, future))
            else:
                renewed.append(self._told(receipt))
        if waits:
            self._flush.set()
            await asyncio.wait([future for _, future in waits])
        renewed += [self._told(receipt) for receipt, future in waits if future.result() is Renewed.HELD]
        stop += [receipt for receipt, future in waits if future.result() in (Renewed.LOST, Renewed.STOP)]
        return renewed, stop

    def _told(self, receipt: Receipt) -> Receipt:
        """The receipt with what its lease has left now; nothing when the run ended meanwhile."""
        held = self._leases.find(receipt)
        left_s = 0.0
        if held is not None:
            left_s = max(held.expires_at - self._clock.monotonic(), 0.0)
            held.is_told = True
        return msgspec.structs.replace(receipt, left_s=left_s)

    async def _flusher(self) -> None:
        while True:
            await self._flush.wait()
            await asyncio.sleep(self._settings.accept_flush_s)
            self._flush.clear()
            pending, self._pending = self._pending, {}
            batch: list[Held] = []
            for run_id in sorted(pending):
                held = pending[run_id]
                if self._leases.of_run(run_id) is held:
                    batch.append(held)
                else:
                    _answer(held, None)  # it has gone to another gateway, which renews it there
            if batch:
                await self._write(batch)

    async def _write(self, batch: list[Held]) -> None:
        asked_at = self._clock.monotonic()
        verdicts: list[Renewed] | list[None]
        try:
            verdicts = await self._ledger.renew([self._renewal(held) for held in batch])
        except (NotNow, StoreError):
            # The store is away: nobody is told `renewed`, and workers fence themselves in time.
            verdicts = [None] * len(batch)
            self._keep_accepts(batch)
        for held, verdict in zip(batch, verdicts, strict=True):
            if verdict is Renewed.HELD:
                held.expires_at = asked_at + self._settings.lease_s
                if not held.introduced:
                    held.introduced = True
                    self._bus.publish(RunStarted(held.run.id, held.run.attempt, held.worker_id))
            _answer(held, verdict)

    def _keep_accepts(self, batch: list[Held]) -> None:
        """An accept is said once: unlike a renewal, which is asked for again, it is tried until it is written."""
        for held in batch:
            if not held.introduced:
                self._pending.setdefault(held.run.id, held)
                self._flush.set()

    def _renewal(self, held: Held) -> Renewal:
        return Renewal(
            run_id=held.run.id,
            attempt=held.run.attempt,
            token=held.receipt.lease_token,
            duration_s=self._settings.lease_s,
            started_at=held.started_at,
        )


def _answer(held: Held, verdict: Renewed | None) -> None:
    """Tell whoever waits for this renewal; None: nobody can say."""
    for waiter in held.waiters:
        if not waiter.done():
            waiter.set_result(verdict)
    held.waiters.clear()


def _matches(run: Run, receipt: Receipt, holder: Holder) -> bool:
    return (
        run.status is Status.RUNNING
        and run.attempt == receipt.attempt
        and run.lease is not None
        and run.lease.token == receipt.lease_token
        and run.lease.holder == holder.id
        and holder.serves(run.tenant.site_id)
    )
