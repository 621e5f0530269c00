"""A run and its attempts, as immutable values.

A run is accepted once and ends once. `attempt` is the number of its newest lease and is the fence: it
grows with every lease. `tries` counts the leases that were accepted on the present target, `lost_count`
those that infrastructure took away, `unstarted_count` offers in a row that nobody began.
Moments are epoch seconds; `input` and `output` are JSON bytes. None of these can stand in a cycle, so the garbage
collector does not look at them (`gc=False`).
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from taskgate.runs.task import QueueKey


class Status(StrEnum):
    """The seven states; there are no others anywhere."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


ENDED = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT})
OPEN = frozenset({Status.SCHEDULED, Status.QUEUED, Status.RUNNING})


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the task raised, or its answer was refused
    TIMED_OUT = "timed_out"  # start-to-close
    CANCELLED = "cancelled"
    WORKER_LOST = "worker_lost"  # lease expired, link process died, task process crashed
    NOT_STARTED = "not_started"  # the offer was never accepted
    REFUSED = "refused"  # the worker gave it back


class Tenant(Struct, frozen=True, kw_only=True, gc=False):
    """Whose run it is. `site_id` is the tenant; the others are recorded attributes."""

    site_id: str
    user_id: str = ""
    app_id: str = ""


class RunError(Struct, frozen=True, kw_only=True, gc=False):
    """Why an attempt or a run did not succeed; `code` is stable, `error_class` steers retries."""

    code: str
    message: str = ""
    retryable: bool = True
    error_class: str = "task"
    retry_at: float | None = None


class Lease(Struct, frozen=True, kw_only=True, gc=False):
    """The right to work on a run until `expires_at`; `accepted` after its first renewal."""

    holder: str
    token: str
    expires_at: float
    accepted: bool = False


class Attempt(Struct, frozen=True, kw_only=True, gc=False):
    """One try by one holder. `request` is None where it equals the run's input, `response` where its output."""

    number: int
    target: str
    chain_position: int
    holder: str
    granted_at: float
    started_at: float | None = None
    ended_at: float | None = None
    outcome: Outcome | None = None
    error: RunError | None = None
    request: bytes | None = None
    response: bytes | None = None
    moved_on_because: str = ""


class Run(Struct, frozen=True, kw_only=True, gc=False):
    """One doing of a task, whole. `current` is the attempt under lease, or the one that an ended run ended with;
    `attempts` are the earlier ones, oldest first.

    `due_at` is when a scheduled run becomes queued; `start_by_at` the schedule-to-start limit while it is
    queued; `advance_at` when the chain moves on by itself; `deadline_at` the total limit. Absent = none.
    """

    id: str
    tenant: Tenant
    task: str
    version: str = ""
    definition: str
    labels: tuple[tuple[str, str], ...] = ()
    queue: QueueKey
    priority: int = 0
    input: bytes
    status: Status
    chain_position: int = 0
    attempt: int = 0
    tries: int = 0
    lost_count: int = 0
    unstarted_count: int = 0
    lease: Lease | None = None
    current: Attempt | None = None
    created_at: float
    due_at: float | None = None
    start_by_at: float | None = None
    advance_at: float | None = None
    deadline_at: float | None = None
    timeout_s: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    stopped_at: float | None = None
    output: bytes | None = None
    error: RunError | None = None
    result_digest: str = ""
    idempotency_key: str = ""
    body_digest: str = ""
    retry_of: str = ""
    submitted_by: str = ""
    traceparent: str = ""
    attempts: tuple[Attempt, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.status in OPEN
