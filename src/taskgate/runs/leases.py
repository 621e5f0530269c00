"""The leases that this process knows: by run, by receipt, by worker.

Whatever a worker says of an attempt counts only in the hands of the worker that has its lease (`find`): the same
worker, for a site that it serves. The best of receipts is worth nothing to anybody else. Only what is needed to answer
a holder quickly. Losing this table loses nothing: a holder that reconnects names what it holds and its receipts are
checked against the ledger again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Protocol

from taskgate.runs.ports import Renewed
from taskgate.runs.run import Run
from taskgate.wire.messages import Receipt


class Bearer(Protocol):
    """Who shows a receipt: a worker, by what its credential says and never by its own word."""

    @property
    def id(self) -> str: ...

    def serves(self, site_id: str) -> bool:
        """Whether it may have runs of that site."""
        ...


class Held:
    """One lease as this process sees it. Moments are monotonic seconds except `started_at`. `is_told`: its worker knows
    that it holds for longer than the offer."""

    __slots__ = (
        "accepted",
        "expires_at",
        "instance",
        "introduced",
        "is_told",
        "run",
        "started_at",
        "timeout_at",
        "waiters",
        "worker_id",
    )

    def __init__(self, run: Run, worker_id: str, *, instance: str, expires_at: float) -> None:
        self.run = run
        self.worker_id = worker_id
        self.instance = instance
        self.expires_at = expires_at
        self.accepted = False
        self.introduced = False
        self.is_told = False
        self.started_at: float | None = None
        self.timeout_at: float | None = None
        self.waiters: list[asyncio.Future[Renewed | None]] = []

    @property
    def receipt(self) -> Receipt:
        token = self.run.lease.token if self.run.lease else ""
        return Receipt(run_id=self.run.id, attempt=self.run.attempt, lease_token=token)

    def is_with(self, bearer: Bearer) -> bool:
        """Whether this lease is that worker's."""
        return self.worker_id == bearer.id and bearer.serves(self.run.tenant.site_id)


class Leases:
    """Leases by run id."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._by_worker: dict[str, dict[str, Held]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def put(self, held: Held) -> None:
        """Know this lease; an older one of the same run is over."""
        older = self._held.get(held.run.id)
        if older is not None and older is not held:
            self.drop(older)
        self._held[held.run.id] = held
        self._by_worker.setdefault(held.worker_id, {})[held.run.id] = held

    def hand_over(self, held: Held, worker_id: str, *, instance: str) -> None:
        """The lease is known to be with this process of this worker."""
        self.drop(held, tell=False)
        held.worker_id, held.instance = worker_id, instance
        self.put(held)

    def find(self, receipt: Receipt, bearer: Bearer | None = None) -> Held | None:
        """The lease behind a receipt, None when it is not (or no longer) this very one (INV-F1), or not this worker's.

        Without a `bearer` it is the gateway itself that asks.
        """
        held = self._held.get(receipt.run_id)
        if held is None or held.run.attempt != receipt.attempt or held.run.lease is None:
            return None
        if held.run.lease.token != receipt.lease_token or (bearer is not None and not held.is_with(bearer)):
            return None
        return held

    def of_run(self, run_id: str, attempt: int = 0) -> Held | None:
        """The lease of a run, whoever has it; of this very attempt, where one is given."""
        held = self._held.get(run_id)
        return held if held is None or not attempt or held.run.attempt == attempt else None

    def of_worker(self, worker_id: str) -> list[Held]:
        """Every lease of a worker."""
        return list(self._by_worker.get(worker_id, {}).values())

    def __iter__(self) -> Iterator[str]:
        """The id of every run that is held here."""
        return iter(tuple(self._held))

    def overdue(self, now: float) -> list[Held]:
        """Begun runs whose start-to-close limit has passed at `now` (monotonic)."""
        return [h for h in self._held.values() if h.timeout_at is not None and h.timeout_at <= now]

    def drop(self, held: Held, *, tell: bool = True) -> None:
        """The lease is over, whatever ended it; whoever waits for its renewal learns that it is lost."""
        if self._held.get(held.run.id) is held:
            del self._held[held.run.id]
            of_worker = self._by_worker[held.worker_id]
            del of_worker[held.run.id]
            if not of_worker:
                del self._by_worker[held.worker_id]
        for waiter in held.waiters if tell else ():
            if not waiter.done():
                waiter.set_result(Renewed.LOST)
