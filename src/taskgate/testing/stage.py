"""What a test of run stores stands on: a ledger and a book over one state, their clock, and runs to put in.

Ids are numbered, so that the order of runs is the order of their making; tokens name their run and holder.
Nothing here asserts; the contracts and histories do.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from taskgate.runs.ports import AttemptEnd, Claim, Grant, Move, Renewal, RunBook, RunLedger
from taskgate.runs.run import OPEN, Outcome, Run, RunError, Status, Tenant
from taskgate.runs.task import QueueKey
from taskgate.testing.clock import ManualClock

OFFER_S = 5.0
LEASE_S = 30.0


def numbered_id(number: int) -> str:
    """An id of the right shape that sorts by `number`."""
    return f"01930000-{number >> 48 & 0xFFFF:04x}-7000-8000-{number & 0xFFFFFFFFFFFF:012x}"


def grant(holder: str = "w1", token: str = "", *, duration_s: float = OFFER_S) -> Grant:
    """A lease to be given."""
    return Grant(holder=holder, token=token or f"token-{holder}", duration_s=duration_s)


def claim(run: Run, holder: str = "w1", *, token: str = "", duration_s: float = OFFER_S) -> Claim:
    """Ask for this run."""
    return Claim(run_id=run.id, grant=grant(holder, token or f"{run.id}-{run.attempt + 1}", duration_s=duration_s))


def token_of(run: Run) -> str:
    """The token of the run's lease, "" when it has none."""
    return run.lease.token if run.lease is not None else ""


def renewal(run: Run, duration_s: float = LEASE_S, *, started_at: float | None = None) -> Renewal:
    """Renew the lease that this run was seen under."""
    return Renewal(
        run_id=run.id, attempt=run.attempt, token=token_of(run), duration_s=duration_s, started_at=started_at
    )


def move(run: Run, status: Status, **changes: Any) -> Move:
    """A move from where this run was seen; everything that `changes` does not name stays as it is."""
    plain = Move(
        run_id=run.id,
        from_statuses=frozenset({run.status}),
        attempt=run.attempt,
        from_position=run.chain_position,
        token=run.lease.token if run.lease is not None else None,
        status=status,
        chain_position=run.chain_position,
        tries=run.tries,
        lost_count=run.lost_count,
        unstarted_count=run.unstarted_count,
        queue=run.queue,
        start_by_at=run.start_by_at,
        advance_at=run.advance_at,
        started_at=run.started_at,
    )
    return replace(plain, **changes)


def success(run: Run, at: float, *, output: bytes = b'"done"', digest: str = "digest") -> Move:
    """The move that ends a run with an output."""
    end = AttemptEnd(outcome=Outcome.SUCCEEDED, ended_at=at, started_at=at)
    return move(run, Status.SUCCEEDED, ended_at=at, output=output, result_digest=digest, started_at=at, end=end)


def failure(run: Run, at: float, *, code: str = "BROKEN", digest: str = "failed") -> Move:
    """The move that ends a run as a dead letter."""
    error = RunError(code=code, message="it is broken", retryable=False)
    end = AttemptEnd(outcome=Outcome.FAILED, ended_at=at, error=error) if run.lease is not None else None
    return move(run, Status.FAILED, ended_at=at, error=error, result_digest=digest, end=end)


def cancellation(run: Run, at: float) -> Move:
    """The move that cancels an open run."""
    end = AttemptEnd(outcome=Outcome.CANCELLED, ended_at=at) if run.lease is not None else None
    return move(run, Status.CANCELLED, ended_at=at, error=RunError(code="CANCELLED", retryable=False), end=end)


def requeueing(run: Run, at: float, **changes: Any) -> Move:
    """The move that ends the attempt of a leased run and queues the run again."""
    end = AttemptEnd(outcome=Outcome.WORKER_LOST, ended_at=at, moved_on_because="WORKER_LOST")
    plain = move(run, Status.QUEUED, end=end if run.lease is not None else None)
    return replace(plain, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStage:
    """A ledger and a book over the same state, built with `clock`."""

    ledger: RunLedger
    book: RunBook
    clock: ManualClock
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def run(self, **changes: Any) -> Run:
        """A new run, queued unless `changes` say otherwise; not stored yet."""
        plain = Run(
            id=numbered_id(next(self.numbers)),
            tenant=Tenant(site_id="site-a"),
            task="text.echo",
            definition="d" * 32,
            queue=QueueKey(task="text.echo"),
            input=b'{"text":"hello"}',
            status=Status.QUEUED,
            created_at=self.clock.now(),
        )
        return replace(plain, **changes)

    async def added(self, **changes: Any) -> Run:
        """A new run, stored."""
        return (await self.ledger.add([self.run(**changes)], {}))[0].run

    async def offered(self, **changes: Any) -> Run:
        """A new run under an offer that nobody accepted yet."""
        run = await self.added(**changes)
        return await self.claimed(run)

    async def accepted(self, **changes: Any) -> Run:
        """A new run under an accepted lease."""
        run = await self.offered(**changes)
        await self.ledger.renew([renewal(run)])
        return await self.whole(run)

    async def claimed(self, run: Run, holder: str = "w1", *, token: str = "") -> Run:
        """The next lease on a queued run."""
        leased = (await self.ledger.claim([claim(run, holder, token=token)]))[0]
        if leased is None:
            raise LookupError(f"{run.id} is not queued")
        return leased

    async def whole(self, run: Run) -> Run:
        """The run as the book has it now."""
        found = (await self.book.get([run.id]))[0]
        if found is None:
            raise LookupError(f"{run.id} is not in the book")
        return found

    async def ended(self, status: Status = Status.SUCCEEDED, **changes: Any) -> Run:
        """A new run that has ended in this state after one attempt."""
        if status in OPEN:
            raise ValueError(f"{status.value} is not an end")
        run, now = await self.accepted(**changes), self.clock.now()
        if status is Status.SUCCEEDED:
            ending = success(run, now)
        elif status is Status.FAILED:
            ending = failure(run, now)
        else:
            ending = replace(cancellation(run, now), status=status)
        await self.ledger.apply([ending])
        return await self.whole(run)
