"""What runs need from a store, as a handful of atomic verbs.

All verbs are batched and every item gets its own verdict, in the order of the items. A verb returns after
its commit is durable. Ledger verbs take no time: an adapter is given a clock when it is built.
The ledger holds no policy: `lifecycle.advance` decides a move, `apply` performs it by compare-and-set.
A cancelled caller does not withdraw its items. Failures: `Unavailable` (wait), `StoreError` (operator).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from taskgate.runs.run import Outcome, Run, RunError, Status
from taskgate.runs.task import QueueKey, TaskDefinition


class Grant(Struct, frozen=True, kw_only=True, gc=False):
    """A lease to be given: to whom, under which token, for how long (an offer's few seconds)."""

    holder: str
    token: str
    duration_s: float
    target: str = "workers"


class AddVerdict(StrEnum):
    ADDED = "added"
    REPLAYED = "replayed"  # same key, same body: `run` is the earlier one
    KEY_REUSED = "key_reused"  # same key, other body: `run` is the earlier one


class Added(Struct, frozen=True, gc=False):
    """Verdict on one new run. `run` is as stored: with its first lease when a grant came along."""

    verdict: AddVerdict
    run: Run


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """Ask for a lease on a queued run."""

    run_id: str
    grant: Grant


class Renewal(Struct, frozen=True, kw_only=True, gc=False):
    """Extend a lease by `duration_s` from now; the first one accepts it: `tries` + 1, `started_at` filled."""

    run_id: str
    attempt: int
    token: str
    duration_s: float
    started_at: float | None = None


class Renewed(StrEnum):
    HELD = "held"
    LOST = "lost"  # another lease, an expired one given on, or an unknown run
    STOP = "stop"  # the run has ended


class AttemptEnd(Struct, frozen=True, kw_only=True, gc=False):
    """How the current attempt ended. `response` only where it differs from the run's output."""

    outcome: Outcome
    ended_at: float
    started_at: float | None = None
    error: RunError | None = None
    response: bytes | None = None
    moved_on_because: str = ""


class Move(Struct, frozen=True, kw_only=True, gc=False):
    """A decided change of one run, applied only if the run still is where the decision saw it.

    Guard: the stored status is in `from_statuses`, the stored attempt equals `attempt`, and, where they are given,
    the chain position equals `from_position` and the live lease has that `token` and that `lease_expires_at` (so
    that a renewal in between wins over an expiry). An ended run fits no guard at all. A lease whose time has passed
    but that nobody took yet still counts as live.

    Every other field is the new value, only `started_at` never changes once it is filled; `end` closes the current
    attempt; the lease is dropped (a move never keeps one: staying under lease is `renew`).
    """

    run_id: str
    from_statuses: frozenset[Status]
    attempt: int
    from_position: int | None = None
    token: str | None = None
    lease_expires_at: float | None = None
    status: Status
    chain_position: int
    tries: int
    lost_count: int
    unstarted_count: int
    queue: QueueKey
    due_at: float | None = None
    start_by_at: float | None = None
    advance_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    output: bytes | None = None
    error: RunError | None = None
    result_digest: str = ""
    end: AttemptEnd | None = None


class Applied(StrEnum):
    APPLIED = "applied"
    REPLAYED = "replayed"  # this very result (attempt and digest) is already the run's end
    STALE = "stale"  # the guard did not hold: nothing changed


class QueuedRef(Struct, frozen=True, kw_only=True, gc=False):
    """What a ready queue knows about a queued run."""

    run_id: str
    queue: QueueKey
    site_id: str
    priority: int
    created_at: float


class RunFilter(Struct, frozen=True, kw_only=True, gc=False):
    """Newest first. `site_id` is required; `user_id` narrows a key bound to a user; `cursor` is the last id seen."""

    site_id: str
    user_id: str = ""
    task: str = ""
    status: Status | None = None
    label: tuple[str, str] | None = None
    dead: bool = False  # only failed runs that nobody retried
    limit: int = 50
    cursor: str = ""


class Glance(Struct, frozen=True, gc=False):
    """Whose a run is and where it stands, and nothing of what it carries."""

    site_id: str
    user_id: str
    status: Status


class QueueStanding(Struct, frozen=True, kw_only=True, gc=False):
    """How much of one queue is open for one site; `oldest_at` is when the longest waiting queued run was accepted."""

    queue: QueueKey
    site_id: str
    scheduled_count: int
    queued_count: int
    running_count: int
    oldest_at: float | None = None


class Mandate(Struct, frozen=True, kw_only=True, gc=False):
    """The right to act for a duty: the epoch that its leader was given (INV-F5)."""

    duty: str
    epoch: int


class RunLedger(Protocol):
    """The truth about runs."""

    async def add(self, runs: Sequence[Run], grants: Mapping[str, Grant]) -> list[Added]:
        """New runs, scheduled or queued; a queued one gets its first lease where `grants` has one for its id.

        A key, or an id, that is there already leaves everything as it is and gives the earlier run.
        """
        ...

    async def claim(self, claims: Sequence[Claim]) -> list[Run | None]:
        """The leased run with its new attempt, or None for a run that is not queued any more. Timers stay."""
        ...

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]: ...

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        """Each move by compare-and-set.

        With `under` nothing is changed unless that epoch is still the duty's, judged inside the same transaction:
        every move of a deposed leader is STALE (INV-F5).
        """
        ...

    async def expired(self, limit: int) -> list[Run]:
        """Running runs whose lease has passed, oldest first."""
        ...

    async def due(self, limit: int) -> list[Run]:
        """Open runs with a timer that has passed, the longest overdue first.

        `due_at` counts while scheduled, `start_by_at` while queued, `advance_at` while queued or running,
        `deadline_at` in all three.
        """
        ...

    async def queued(self, after: str, limit: int) -> list[QueuedRef]:
        """Queued runs by id, for rebuilding the ready queue page by page."""
        ...


class RunBook(Protocol):
    """Reading runs, never older than the last committed write of this process."""

    async def get(self, run_ids: Sequence[str]) -> list[Run | None]:
        """Whole runs with all attempts, in order; None for an unknown id. Tenancy is the caller's to check."""
        ...

    async def glance(self, run_ids: Sequence[str]) -> list[Glance | None]:
        """What `get` would say of tenant and state, at a fraction of its price; in order, None for an unknown id."""
        ...

    async def find(self, wanted: RunFilter) -> list[Run]:
        """Runs without their earlier attempts, newest first."""
        ...

    async def count(self, site_id: str) -> dict[Status, int]:
        """How many runs a site has by status; a status without runs is absent."""
        ...

    async def mark_stopped(self, run_id: str, attempt: int) -> None:
        """The holder of an ended run confirmed that nothing of it runs any more: fill `stopped_at`, once."""
        ...

    async def purge(self, ended_before: float, limit: int, *, under: Mandate | None = None) -> list[str]:
        """Delete runs that ended before that moment, with their attempts and idempotency keys; returns their ids.

        With `under` nothing is purged unless that epoch is still the duty's, judged inside the same transaction.
        """
        ...

    async def remove(self, run_ids: Sequence[str]) -> list[str]:
        """Delete these runs if they have ended; returns the ids of those that were deleted."""
        ...


class Census(Protocol):
    """How much is open, for those who scale and those who watch. Reads what the ledger wrote."""

    async def standing(self, *, site_id: str | None = None, user_id: str = "") -> list[QueueStanding]:
        """What is open, by queue and site, in no order; a queue of which nothing is open is absent.

        `site_id` and `user_id` narrow it as a listing's do. It reads every open run: whoever asks keeps the answer.
        """
        ...


class ReadyQueue(Protocol):
    """An index of queued runs that may be thrown away: a take is destructive and owns nothing."""

    async def offer(self, refs: Sequence[QueuedRef]) -> None: ...

    async def take(self, queues: Sequence[QueueKey], limit: int, *, site_id: str | None = None) -> list[QueuedRef]:
        """Up to `limit` runs of these queues, at once (never waits). Bands of priority are served 1 : 4 : 16,
        tenants of a band in turn, then first in first out. `site_id` restricts to one tenant."""
        ...

    async def withdraw(self, run_id: str) -> None: ...

    async def depth(self) -> dict[QueueKey, int]: ...

    def listen(self) -> ReadySignal:
        """Tells which queues got new runs, so that waiting holders can take."""
        ...


class ReadySignal(Protocol):
    """A subscription to a ready queue's news; one consumer each."""

    async def changed(self) -> set[QueueKey]:
        """Waits for news and returns every queue that got runs since the last call. An empty set says that runs may
        be missing: whatever the ledger has queued has to be offered again."""
        ...

    def close(self) -> None: ...


class Catalogue(Protocol):
    """Task definitions. Saving is idempotent; the newest saved of one (site, name, version) is current."""

    async def save(self, definitions: Sequence[TaskDefinition]) -> None: ...

    async def load(self) -> list[TaskDefinition]:
        """The current definitions of all sites."""
        ...

    async def find(self, digest: str) -> TaskDefinition | None:
        """Any definition ever saved, by its digest."""
        ...

    async def remove(self, site_id: str, name: str, *, version: str) -> bool: ...


GAP = b""
"""A message that nobody published: news may have been missed, so whatever they were about has to be read again."""


class Signals(Protocol):
    """News between gateways. In one process it reaches this process's own subscribers.

    Fast, never certain: where the connection was cut, every subscription is given `GAP` once it stands again.
    Publishing never raises and never waits for long; an empty payload is not allowed.
    """

    async def publish(self, topic: str, payload: bytes) -> None: ...

    def subscribe(self, topic: str) -> Subscription: ...


class Subscription(Protocol):
    """Messages of one topic from the moment of subscribing, in order."""

    async def next(self) -> bytes: ...

    def close(self) -> None: ...


class Leadership(Protocol):
    """One leader per duty. The epoch grows with every change of leader."""

    async def campaign(self, duty: str, holder: str, *, duration_s: float) -> int | None:
        """Become or stay leader for `duration_s`: the epoch, or None while somebody else leads."""
        ...

    async def resign(self, duty: str, holder: str) -> None: ...
