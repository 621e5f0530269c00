"""The leases that this process knows: by run, by receipt, by worker.

Only what is needed to answer a holder quickly. Losing this table loses nothing: a holder that reconnects
names what it holds and its receipts are checked against the ledger again.
"""

from __future__ import annotations

import asyncio

from taskgate.runs.ports import Renewed
from taskgate.runs.run import Run
from taskgate.wire.messages import Receipt


class Held:
    """One lease as this process sees it. Moments are monotonic seconds except `started_at`."""

    __slots__ = (
        "accepted",
        "expires_at",
        "instance",
        "introduced",
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
        self.started_at: float | None = None
        self.timeout_at: float | None = None
        self.waiters: list[asyncio.Future[Renewed | None]] = []

    @property
    def receipt(self) -> Receipt:
        token = self.run.lease.token if self.run.lease else ""
        return Receipt(run_id=self.run.id, attempt=self.run.attempt, lease_token=token)


class Leases:
    """Leases by run id."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def put(self, held: Held) -> None:
        """Know this lease; an older one of the same run is over."""
        self._held[held.run.id] = held

    def find(self, receipt: Receipt) -> Held | None:
        """The lease behind a receipt, None when it is not (or no longer) this very one (INV-F1)."""
        held = self._held.get(receipt.run_id)
        if held is None or held.run.attempt != receipt.attempt or held.run.lease is None:
            return None
        return held if held.run.lease.token == receipt.lease_token else None

    def of_run(self, run_id: str) -> Held | None:
        """The lease of a run, whoever has it."""
        return self._held.get(run_id)

    def of_worker(self, worker_id: str) -> list[Held]:
        """Every lease of a worker."""
        return [held for held in self._held.values() if held.worker_id == worker_id]

    def overdue(self, now: float) -> list[Held]:
        """Begun runs whose start-to-close limit has passed at `now` (monotonic)."""
        return [h for h in self._held.values() if h.timeout_at is not None and h.timeout_at <= now]

    def forget(self, run_id: str, attempt: int) -> Held | None:
        """The lease is over, whatever ended it; whoever waits for its renewal learns that it is lost."""
        held = self._held.get(run_id)
        if held is None or held.run.attempt != attempt:
            return None
        del self._held[run_id]
        for waiter in held.waiters:
            if not waiter.done():
                waiter.set_result(Renewed.LOST)
        return held
