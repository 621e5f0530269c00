"""The leases that this gateway has given out: renewing them, ending them, judging what holders write.

A lease lives in the ledger; here is only what this process needs to answer quickly: which run, whose, how
long it still lasts. Losing this table loses nothing: a holder that reconnects names what it holds and its
receipts are checked against the ledger again (`adopt`).

Accepts are written lazily: a run that ends before the next flush counts its start in the very commit of
its result. Renewals of all workers are gathered and written together every `accept_flush_s`; a holder is
told `renewed` only after that commit. A lease that is not renewed passes on by the janitor's hand, never
by a guess here.

Races and who wins: result against expiry, cancel against result, two results: whichever the ledger commits
first; the other is stale and its holder is told to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.events import RunStarted
from taskgate.fleet.holder import Holder
from taskgate.lifespan import TaskSet
from taskgate.runs.offers import offer_of
from taskgate.runs.ports import Renewal, Renewed, RunBook, RunLedger
from taskgate.runs.run import Run, Status
from taskgate.runs.settings import RunSettings
from taskgate.wire.messages import Receipt


class Held:
    """One lease as this process sees it. Moments are monotonic seconds except `started_at`."""

    __slots__ = ("accepted", "expires_at", "introduced", "run", "started_at", "timeout_at", "waiters", "worker_id")

    def __init__(self, run: Run, worker_id: str, expires_at: float) -> None:
        self.run = run
        self.worker_id = worker_id
        self.expires_at = expires_at
        self.accepted = False
        self.introduced = False
        self.started_at: float | None = None
        self.timeout_at: float | None = None
        self.waiters: list[asyncio.Future[Renewed | None]] = []

    @property
    def receipt(self) -> Receipt:
        token = self.run.lease.token if self.run.lease else ""
        return Receipt(run_id=self.run.id, attempt=self.run.attempt, lease_token=token)


class Leases:
    """Leases by run id; every verb that answers a holder checks the receipt first (INV-F1)."""

    def __init__(
        self,
        ledger: RunLedger,
        book: RunBook,
        *,
        bus: Bus,
        clock: Clock,
        settings: RunSettings,
        timeout_of: Callable[[Run], float | None],
        memory_of: Callable[[Run], int | None],
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._bus = bus
        self._clock = clock
        self._settings = settings
        self._timeout_of = timeout_of
        self._memory_of = memory_of
        self._held: dict[str, Held] = {}
        self._pending: dict[str, Held] = {}
        self._flush = asyncio.Event()
        self._tasks = TaskSet()

    async def start(self) -> None:
        self._tasks.spawn(self._flusher(), name="lease renewals")

    async def stop(self) -> None:
        await self._tasks.close()

    def __len__(self) -> int:
        return len(self._held)

    # ---------------------------------------------------------------- giving out

    def deliver(self, run: Run, holder: Holder) -> None:
        """Remember the lease and send the offer."""
        held = Held(run, holder.id, self._clock.monotonic() + self._settings.offer_s)
        self._held[run.id] = held
        holder.held[run.id] = run.attempt
        holder.seat.offer(
            offer_of(run, timeout_s=self._timeout_of(run), memory_bytes=self._memory_of(run), settings=self._settings)
        )

    async def adopt(self, holder: Holder, receipts: Sequence[Receipt]) -> list[Receipt]:
        """A worker came back with leases: take up those that the ledger confirms, return the lost ones."""
        lost: list[Receipt] = []
        runs = await self._book.get([receipt.run_id for receipt in receipts])
        for receipt, run in zip(receipts, runs, strict=True):
            if run is None or not _matches(run, receipt):
                lost.append(receipt)
                continue
            held = self._held.get(run.id)
            if held is None or held.run.attempt != run.attempt:
                held = self._held[run.id] = Held(run, holder.id, self._clock.monotonic())
                held.introduced = run.lease is not None and run.lease.accepted
            held.worker_id = holder.id
            holder.held[run.id] = run.attempt
            self.begin(receipt, None)
        return lost

    # ---------------------------------------------------------------- holding

    def begin(self, receipt: Receipt, holder: Holder | None) -> bool:
        """The run has really started; written with the next flush. False: the receipt is stale."""
        held = self.find(receipt)
        if held is None:
            return False
        if not held.accepted:
            held.accepted = True
            held.started_at = self._clock.now()
            timeout_s = self._timeout_of(held.run)
            held.timeout_at = None if timeout_s is None else self._clock.monotonic() + timeout_s
            if holder is not None:
                holder.forgive(held.run.task)
        self._pending[held.run.id] = held
        self._flush.set()
        return True

    async def renew(self, receipts: Sequence[Receipt]) -> tuple[list[Receipt], list[Receipt]]:
        """Renew what needs it; returns (renewed and committed, to be stopped).

        Fresh leases are in neither, and so is everything while the store is away.
        """
        waits: list[tuple[Receipt, asyncio.Future[Renewed | None]]] = []
        stop: list[Receipt] = []
        below = self._settings.lease_s * self._settings.renew_below
        for receipt in receipts:
            held = self.find(receipt)
            if held is None:
                stop.append(receipt)
            elif held.expires_at - self._clock.monotonic() < below:
                future: asyncio.Future[Renewed | None] = asyncio.get_running_loop().create_future()
                held.waiters.append(future)
                self._pending[held.run.id] = held
                waits.append((receipt, future))
        if waits:
            self._flush.set()
            await asyncio.wait([future for _, future in waits])
        renewed = [receipt for receipt, future in waits if future.result() is Renewed.HELD]
        stop += [receipt for receipt, future in waits if future.result() in (Renewed.LOST, Renewed.STOP)]
        return renewed, stop

    def find(self, receipt: Receipt) -> Held | None:
        """The lease behind a receipt, None when it is not (or no longer) this one."""
        held = self._held.get(receipt.run_id)
        if held is None or held.run.attempt != receipt.attempt or held.run.lease is None:
            return None
        return held if held.run.lease.token == receipt.lease_token else None

    def of_run(self, run_id: str) -> Held | None:
        return self._held.get(run_id)

    def of_worker(self, worker_id: str) -> list[Held]:
        return [held for held in self._held.values() if held.worker_id == worker_id]

    def overdue(self) -> list[Held]:
        """Accepted runs whose start-to-close limit has passed; the worker should have ended them itself."""
        now = self._clock.monotonic()
        return [h for h in self._held.values() if h.timeout_at is not None and h.timeout_at <= now]

    def forget(self, run_id: str, attempt: int) -> Held | None:
        """The lease is over, whatever ended it."""
        held = self._held.get(run_id)
        if held is None or held.run.attempt != attempt:
            return None
        del self._held[run_id]
        self._pending.pop(run_id, None)
        for waiter in held.waiters:
            if not waiter.done():
                waiter.set_result(Renewed.LOST)
        return held

    # ---------------------------------------------------------------- writing together

    async def _flusher(self) -> None:
        while True:
            await self._flush.wait()
            self._flush.clear()
            await asyncio.sleep(self._settings.accept_flush_s)
            batch = sorted(self._pending.values(), key=lambda held: held.run.id)
            self._pending.clear()
            if batch:
                await self._write(batch)

    async def _write(self, batch: list[Held]) -> None:
        asked_at = self._clock.monotonic()
        renewals = [
            Renewal(
                run_id=held.run.id,
                attempt=held.run.attempt,
                token=held.run.lease.token if held.run.lease else "",
                duration_s=self._settings.lease_s,
                started_at=held.started_at,
            )
            for held in batch
        ]
        verdicts: list[Renewed] | list[None]
        try:
            verdicts = await self._ledger.renew(renewals)
        except (NotNow, StoreError):
            # The store is away: nobody is told `renewed`, and workers fence themselves in time.
            verdicts = [None] * len(batch)
        for held, verdict in zip(batch, verdicts, strict=True):
            if verdict is Renewed.HELD:
                held.expires_at = asked_at + self._settings.lease_s
                if not held.introduced:
                    held.introduced = True
                    self._bus.publish(RunStarted(held.run.id, held.run.attempt, held.worker_id))
            for waiter in held.waiters:
                if not waiter.done():
                    waiter.set_result(verdict)
            held.waiters.clear()


def _matches(run: Run, receipt: Receipt) -> bool:
    return (
        run.status is Status.RUNNING
        and run.attempt == receipt.attempt
        and run.lease is not None
        and run.lease.token == receipt.lease_token
    )
