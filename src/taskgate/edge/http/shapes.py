"""What callers get, as shapes.

Inputs and outputs are raw JSON bytes that are embedded as they came. Moments are RFC 3339 strings in UTC,
durations seconds. Every shape is also the source of its JSON Schema in the document.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Raw, Struct

from taskgate.runs.task import Target, TaskLimits


class Given(Struct, kw_only=True):
    """Parent of what goes out."""


class ErrorShape(Given):
    """Why a run or an attempt did not succeed."""

    code: str
    message: str
    retryable: bool


class TenantShape(Given):
    """Whose run it is."""

    site_id: str
    user_id: str
    app_id: str


class AttemptShape(Given):
    """One try of a run by one holder."""

    number: int
    target: str
    chain_position: int
    holder: str
    granted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    error: ErrorShape | None
    request: Raw
    response: Raw | None
    moved_on_because: str


class RunSummary(Given):
    """A run in a list: everything but its payloads and attempts."""

    id: str
    task: str
    version: str
    status: str
    priority: int
    error: ErrorShape | None
    chain_position: int
    attempt_count: int
    tenant: TenantShape
    created_at: datetime
    due_at: datetime | None
    deadline_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    stopped_at: datetime | None
    labels: dict[str, str]
    retry_of: str


class RunShape(RunSummary):
    """A whole run. `archived`: it is history, the ledger has it no more and its journal may be gone."""

    input: Raw
    output: Raw | None
    attempts: list[AttemptShape]
    archived: bool = False


class AcceptedShape(Given):
    """A run that is durable from now on. `replayed`: an earlier request with this key made it."""

    id: str
    task: str
    version: str
    status: str
    created_at: datetime
    replayed: bool


class Verdict(Given, omit_defaults=True):
    """What became of one item of a batch: `run` when it was accepted, `error` (a problem) when not."""

    status: int
    run: AcceptedShape | None = None
    error: dict[str, Any] | None = None


class BatchShape(Given):
    """Verdicts in the order of the items."""

    items: list[Verdict]
    accepted_count: int
    refused_count: int


class RunsShape(Given):
    """Runs, newest first; `cursor` asks for the next page and is empty on the last one."""

    runs: list[RunSummary]
    cursor: str


class EndedShape(Given):
    """Those of the awaited runs that have ended, whole; empty at the timeout."""

    runs: list[RunShape]


class EntryShape(Given):
    """One entry of a journal."""

    seq: int
    kind: str
    at: datetime
    text: str
    stream: str
    level: str
    attempt: int
    fraction: float | None
    fields: dict[str, Any]


class JournalShape(Given):
    """A page of a journal; read on with `?after=` and `last_seq`."""

    entries: list[EntryShape]
    last_seq: int
    ended: bool


class ReasonShape(Given):
    """One thing that keeps a run waiting."""

    code: str
    text: str


class WhyShape(Given):
    """Why a run is not running."""

    id: str
    status: str
    waiting: bool
    reasons: list[ReasonShape]


class TaskShape(Given):
    """A task that can be submitted."""

    name: str
    version: str
    description: str
    input_schema: Raw | None
    output_schema: Raw | None
    examples: list[Raw]
    targets: list[Target]
    limits: TaskLimits
    declared: bool
    shared: bool


class TasksShape(Given):
    """Every task that the caller may submit, by name."""

    tasks: list[TaskShape]


class WorkerShape(Given):
    """A worker that was ever connected."""

    id: str
    kind: str
    transport: str
    site_id: str
    tasks: list[str]
    labels: dict[str, str]
    slots: int
    running: int
    load: dict[str, float]
    status: str
    last_heartbeat_at: datetime | None
    first_seen_at: datetime | None


class WorkersShape(Given):
    """Workers, connected ones first."""

    workers: list[WorkerShape]


class KeyShape(Given):
    """An API key without its secret."""

    id: str
    name: str
    kind: str
    last4: str
    scopes: list[str]
    site_id: str
    user_id: str
    app_id: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    rotated_from: str
    prefixes: list[str]
    worker_id: str


class NewKeyShape(KeyShape):
    """A key that was just made: the only time that its text is shown."""

    key: str


class KeysShape(Given):
    """Every key, oldest first."""

    keys: list[KeyShape]


class RefusedShape(Given):
    """A dead letter that could not be retried, and why (a problem)."""

    id: str
    error: dict[str, Any]


class RetriedShape(Given):
    """The new runs of dead letters that were retried, and those that could not be."""

    runs: list[AcceptedShape]
    refused: list[RefusedShape]


class PurgedShape(Given):
    """How many dead letters were deleted."""

    purged: int


class TicketShape(Given):
    """A one-use credential for a WebSocket: `?ticket=`."""

    ticket: str
    expires_at: datetime


class HealthShape(Given, omit_defaults=True):
    """Whether the gateway lives; `version` and `checks` only for callers with a credential."""

    status: str
    service: str
    version: str = ""
    checks: dict[str, str] = {}


class Problem(Given):
    """An error (RFC 9457). `code` is stable; `message` repeats `detail` for callers who expect that name."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    message: str
    trace_id: str
    retryable: bool
