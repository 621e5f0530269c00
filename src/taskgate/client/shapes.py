"""What the gateway tells, as values. Members that this version does not know are ignored.

Moments are aware datetimes in UTC. `input` and `output` stay JSON bytes until somebody asks for the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from taskgate.errors import RunCancelled, RunEnded, RunFailed, RunTimedOut, TaskgateError
from taskgate.secret import Secret

RunStatus = Literal["queued", "scheduled", "running", "succeeded", "failed", "cancelled", "timed_out"]
ENDED = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
NOTHING = msgspec.Raw(b"null")


class Failure(Struct, frozen=True, kw_only=True):
    """Why a run or an attempt did not succeed."""

    code: str
    message: str = ""
    retryable: bool | None = None


class AttemptState(Struct, frozen=True, kw_only=True):
    """One try by one holder, with what was asked and what was answered."""

    number: int
    target: str = ""
    holder: str = ""
    granted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None
    error: Failure | None = None
    request: msgspec.Raw = NOTHING
    response: msgspec.Raw = NOTHING
    moved_on_because: str = ""


class RunState(Struct, frozen=True, kw_only=True):
    """A run as the gateway last told it."""

    id: str
    task: str = ""
    version: str = ""
    status: RunStatus = "queued"
    input: msgspec.Raw = NOTHING
    output: msgspec.Raw = NOTHING
    error: Failure | None = None
    chain_position: int = 0
    attempts: list[AttemptState] = []
    tenant: dict[str, str] = {}
    labels: dict[str, str] = {}
    priority: int = 0
    created_at: datetime | None = None
    due_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stopped_at: datetime | None = None
    deadline_at: datetime | None = None
    retry_of: str = ""
    replayed: bool = False

    @property
    def is_ended(self) -> bool:
        return self.status in ENDED

    def outcome(self) -> Any:
        """The output's value of a succeeded run; raises RunFailed, RunCancelled or RunTimedOut for the other ends."""
        if self.status == "succeeded":
            return msgspec.json.decode(self.output)
        detail = (self.error.message if self.error else "") or f"run {self.id} ended {self.status}"
        code = self.error.code if self.error else None
        if self.status == "failed":
            raise RunFailed(detail, run_id=self.id, code=code)
        if self.status == "cancelled":
            raise RunCancelled(detail, run_id=self.id)
        if self.status == "timed_out":
            raise RunTimedOut(detail, run_id=self.id, code=code)
        raise RunEnded(f"run {self.id} has not ended: it is {self.status}", run_id=self.id, code="RUN_OPEN")


class RunPage(Struct, frozen=True, kw_only=True):
    """Runs, newest first; no `cursor` on the last page."""

    runs: list[RunState] = []
    cursor: str = ""


class Refusal(Struct, frozen=True, kw_only=True):
    """A dead letter that could not be retried, and the problem that says why."""

    id: str
    error: dict[str, Any] = {}


class Retried(Struct, frozen=True, kw_only=True):
    """The new runs of dead letters, and those that could not be retried."""

    runs: list[RunState] = []
    refused: list[Refusal] = []


class VerdictRow(Struct, frozen=True, kw_only=True):
    """One verdict as a batch's answer tells it: a run, or the members of a problem document."""

    status: int = 0
    run: RunState | None = None
    error: dict[str, Any] | None = None


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One numbered entry of a run's journal: `log`, `progress`, `token`, `state` or `result`."""

    seq: int
    kind: str
    at: datetime | None = None
    text: str = ""
    stream: str = ""
    level: str = ""
    attempt: int = 0
    fraction: float | None = None
    fields: dict[str, Any] = {}


class Reason(Struct, frozen=True, kw_only=True):
    """One reason why a run is not running."""

    code: str
    text: str = ""


class Why(Struct, frozen=True, kw_only=True):
    """Why a run is where it is."""

    waiting: bool = False
    reasons: list[Reason] = []


class TaskState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task's definition; the schemas are JSON Schema."""

    name: str
    version: str = ""
    description: str = ""
    input_schema: Any = None
    output_schema: Any = None
    examples: list[Any] = []
    targets: list[dict[str, Any]] = []
    limits: dict[str, Any] = {}
    declared: bool = False
    shared: bool = False


class WorkerState(Struct, frozen=True, kw_only=True):
    """A worker, over whatever transport. `status`: online, degraded, draining, offline."""

    id: str
    kind: str = ""
    transport: str = ""
    tasks: list[str] = []
    labels: dict[str, str] = {}
    slots: int = 0
    running: int = 0
    load: dict[str, float] | None = None
    status: str = ""
    last_heartbeat_at: datetime | None = None


class QueueState(Struct, frozen=True, kw_only=True):
    """How much waits in a queue, and who could take it."""

    name: str
    task: str = ""
    version: str = ""
    labels: dict[str, str] = {}
    depth: int = 0
    scheduled: int = 0
    running: int = 0
    oldest_age_s: float = 0.0
    workers: int = 0
    slots_free: int = 0


class GatewayState(Struct, frozen=True, kw_only=True):
    """A gateway that is alive. `here`: it is the one that answered."""

    id: str
    host: str = ""
    version: str = ""
    started_at: datetime | None = None
    status: str = ""
    leads: list[str] = []
    processes: int = 1
    workers: int = 0
    running: int = 0
    here: bool = False


class GatewaysState(Struct, frozen=True, kw_only=True):
    """The gateways; not `complete` while the others cannot be heard."""

    gateways: list[GatewayState] = []
    complete: bool = True


class RegistrationState(Struct, frozen=True, kw_only=True):
    """What became of a registration: its routes as `METHOD /path`. `renew_after_s` 0: it stays until withdrawn."""

    service: str
    routes: list[str] = []
    lease_s: float = 0.0
    renew_after_s: float = 0.0
    warnings: list[str] = []


class UpstreamHealth(Struct, frozen=True, kw_only=True):
    """How a service answers: its breaker (`closed`, `open`, `half_open`, `unknown`) and failures in a row."""

    state: str = ""
    failures: int = 0
    last_error: str = ""


class ServiceState(Struct, frozen=True, kw_only=True):
    """A registered service. `status`: `up`, `away` (its lease lapsed), `kept` (lapsed with too many others).

    `base_url` is empty for who may not change it; `stale`: its document is the last good one.
    """

    name: str
    base_url: str = ""
    prefix: str = ""
    openapi_url: str = ""
    site_id: str = ""
    shared: bool = False
    status: str = ""
    routes: list[str] = []
    policy: dict[str, Any] = {}
    lease_s: float = 0.0
    registered_at: datetime | None = None
    health: UpstreamHealth = UpstreamHealth()
    stale: bool = False
    stale_since: datetime | None = None
    stale_error: str = ""


class RouteState(Struct, frozen=True, kw_only=True):
    """A route: method and public path, and the service's path or the task behind it."""

    service: str
    name: str = ""
    method: str = ""
    gateway_path: str = ""
    upstream_path: str = ""
    task: str = ""
    summary: str = ""
    description: str = ""
    policy: dict[str, Any] = {}


class TokenState(Struct, frozen=True, kw_only=True):
    """A token, or a join token, with its text: there once, in the answer that made it."""

    id: str
    token: Secret
    kind: str = "token"
    subject: str = ""
    scopes: list[str] = []
    site_id: str = ""
    worker_id: str = ""
    expires_at: datetime | None = None


class KeyState(Struct, frozen=True, kw_only=True):
    """An API key without its secret."""

    id: str
    name: str = ""
    kind: str = ""
    scopes: list[str] = []
    site_id: str = ""
    user_id: str = ""
    app_id: str = ""
    last4: str = ""
    prefixes: list[str] = []
    worker_id: str = ""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    key: Secret = Secret("")  # the clear text: there once, in the answer that made the key


R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Generic[R]):
    """What became of one item of a batch: a run, or the error that refused it."""

    accepted: R | None = None
    error: TaskgateError | None = None

    @property
    def is_accepted(self) -> bool:
        return self.accepted is not None

    @property
    def run(self) -> R:
        """The run; raises the item's error when it was refused."""
        if self.accepted is None:
            raise self.error or TaskgateError("the gateway gave no verdict on this item")
        return self.accepted
