"""Runs in memory: the model of behaviour that every other ledger must equal.

Everything is forgotten with the process. One event loop owns it, and no verb waits in its middle, so every
verb is atomic. An ended run keeps its last attempt as `current`; earlier ones move to `attempts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from taskgate.clock import Clock
from taskgate.runs.chain import moved
from taskgate.runs.ports import (
    Added,
    AddVerdict,
    Applied,
    Claim,
    Grant,
    Mandate,
    Move,
    QueuedRef,
    Renewal,
    Renewed,
)
from taskgate.runs.run import Attempt, Lease, Run, Status
from taskgate.stores.memory.leadership import MemoryLeadership


class MemoryRuns:
    """The shared state of the ledger and the book."""

    def __init__(self, clock: Clock, leadership: MemoryLeadership | None = None) -> None:
        self.clock = clock
        self._leadership = leadership if leadership is not None else MemoryLeadership(clock)
        self.by_id: dict[str, Run] = {}
        self.by_key: dict[tuple[str, str, str], str] = {}

    def allows(self, under: Mandate | None) -> bool:
        """Whether a write under this mandate still counts; one without a mandate always does."""
        return under is None or self._leadership.stands(under)

    def delete(self, run: Run) -> None:
        """Forget a run and its idempotency key."""
        del self.by_id[run.id]
        if run.idempotency_key:
            self.by_key.pop(_key(run), None)


class MemoryRunLedger:
    """RunLedger in memory."""

    def __init__(self, runs: MemoryRuns) -> None:
        self._runs = runs

    async def add(self, runs: Sequence[Run], grants: Mapping[str, Grant]) -> list[Added]:
        return [self._added(run, grants.get(run.id)) for run in runs]

    async def claim(self, claims: Sequence[Claim]) -> list[Run | None]:
        return [self._claimed(claim) for claim in claims]

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        return [self._renewed(renewal) for renewal in renewals]

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        if not self._runs.allows(under):
            return [Applied.STALE] * len(moves)
        return [self._applied(move) for move in moves]

    async def expired(self, limit: int) -> list[Run]:
        now = self._runs.clock.now()
        found = [run for run in self._runs.by_id.values() if run.lease is not None and run.lease.expires_at <= now]
        return sorted(found, key=lambda run: (run.lease.expires_at if run.lease else 0.0, run.id))[:limit]

    async def due(self, limit: int) -> list[Run]:
        now = self._runs.clock.now()
        found = [(at, run) for run in self._runs.by_id.values() if (at := timer_of(run)) is not None and at <= now]
        return [run for _, run in sorted(found, key=lambda item: (item[0], item[1].id))[:limit]]

    async def queued(self, after: str, limit: int) -> list[QueuedRef]:
        found = [run for run in self._runs.by_id.values() if run.status is Status.QUEUED and run.id > after]
        return [_ref(run) for run in sorted(found, key=lambda run: run.id)[:limit]]

    def _added(self, run: Run, grant: Grant | None) -> Added:
        earlier_id = self._runs.by_key.get(_key(run), run.id) if run.idempotency_key else run.id
        earlier = self._runs.by_id.get(earlier_id)
        if earlier is not None:
            same = earlier.body_digest == run.body_digest
            return Added(AddVerdict.REPLAYED if same else AddVerdict.KEY_REUSED, earlier)
        stored = self._leased(run, grant) if grant is not None and run.status is Status.QUEUED else run
        self._runs.by_id[run.id] = stored
        if run.idempotency_key:
            self._runs.by_key[_key(run)] = run.id
        return Added(AddVerdict.ADDED, stored)

    def _claimed(self, claim: Claim) -> Run | None:
        run = self._runs.by_id.get(claim.run_id)
        if run is None or run.status is not Status.QUEUED:
            return None
        leased = self._leased(run, claim.grant)
        self._runs.by_id[run.id] = leased
        return leased

    def _leased(self, run: Run, grant: Grant) -> Run:
        now = self._runs.clock.now()
        number = run.attempt + 1
        return replace(
            run,
            status=Status.RUNNING,
            attempt=number,
            lease=Lease(holder=grant.holder, token=grant.token, expires_at=now + grant.duration_s),
            current=Attempt(
                number=number,
                target=grant.target,
                chain_position=run.chain_position,
                holder=grant.holder,
                granted_at=now,
            ),
        )

    def _renewed(self, renewal: Renewal) -> Renewed:
        run = self._runs.by_id.get(renewal.run_id)
        if run is None:
            return Renewed.LOST
        if not run.is_open:
            return Renewed.STOP
        lease = run.lease
        if lease is None or run.attempt != renewal.attempt or lease.token != renewal.token:
            return Renewed.LOST
        now = self._runs.clock.now()
        started_at = now if renewal.started_at is None else renewal.started_at
        current = run.current
        if not lease.accepted and current is not None:
            current = replace(current, started_at=started_at)
        self._runs.by_id[run.id] = replace(
            run,
            lease=replace(lease, expires_at=now + renewal.duration_s, accepted=True),
            tries=run.tries if lease.accepted else run.tries + 1,
            unstarted_count=0,
            started_at=run.started_at or started_at,
            current=current,
        )
        return Renewed.HELD

    def _applied(self, move: Move) -> Applied:
        run = self._runs.by_id.get(move.run_id)
        if run is None:
            return Applied.STALE
        if self._fits(run, move):
            self._runs.by_id[run.id] = moved(run, move)
            return Applied.APPLIED
        same = move.result_digest and run.result_digest == move.result_digest and run.attempt == move.attempt
        return Applied.REPLAYED if same and not run.is_open and run.status is move.status else Applied.STALE

    def _fits(self, run: Run, move: Move) -> bool:
        """The guard of a move (INV-F1)."""
        if not run.is_open or run.status not in move.from_statuses or run.attempt != move.attempt:
            return False
        if move.from_position not in (None, run.chain_position):
            return False
        if move.token is not None and (run.lease is None or run.lease.token != move.token):
            return False
        expires_at = run.lease.expires_at if run.lease is not None else None
        return move.lease_expires_at in (None, expires_at)


def timer_of(run: Run) -> float | None:
    """The next moment at which an open run has to be looked at, None when it has no timer."""
    if not run.is_open:
        return None
    timers = [run.deadline_at]
    if run.status is Status.SCHEDULED:
        timers.append(run.due_at)
    else:
        timers.append(run.advance_at)
    if run.status is Status.QUEUED:
        timers.append(run.start_by_at)
    return min((at for at in timers if at is not None), default=None)


def _key(run: Run) -> tuple[str, str, str]:
    return (run.tenant.site_id, run.task, run.idempotency_key)


def _ref(run: Run) -> QueuedRef:
    return QueuedRef(
        run_id=run.id,
        queue=run.queue,
        site_id=run.tenant.site_id,
        priority=run.priority,
        created_at=run.created_at,
    )
