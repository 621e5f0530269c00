"""What callers send, as strict shapes.

Members that are not listed are refused by name. An input is raw JSON that is carried and never read here.
Durations are seconds. Every shape is also the source of its JSON Schema in the document.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Raw, Struct

from taskgate.runs.task import Target, TaskLimits
from taskgate.wire.messages import OptionalRaw

MAX_ITEMS = 1000
Moment = Annotated[datetime, Meta(tz=True)] | float  # RFC 3339, or epoch seconds from programs


class Shape(Struct, kw_only=True, forbid_unknown_fields=True):
    """Parent of what comes in."""


class SubmitBody(Shape):
    """Work to be done."""

    input: Raw
    version: str = ""
    priority: int = 0
    delay_s: float | None = None
    run_at: Moment | None = None
    timeout_s: float | None = None
    deadline_s: float | None = None
    labels: dict[str, str] = {}
    callback_url: str | None = None


class BatchItem(SubmitBody):
    """One piece of work of a batch; its key stands beside it."""

    idempotency_key: str | None = None


class BatchBody(Shape):
    """Up to 1,000 pieces of work for one task, each with its own verdict."""

    items: Annotated[list[BatchItem], Meta(min_length=1, max_length=MAX_ITEMS)]


class WaitBody(Shape):
    """Runs whose end is awaited; the answer comes when at least one has ended, or at the timeout."""

    ids: Annotated[list[str], Meta(min_length=1, max_length=MAX_ITEMS)]
    timeout_s: Annotated[float, Meta(ge=0)] = 30.0


class TargetBody(Target, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to get the task done."""


class LimitsBody(TaskLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the task's runs; null means the gateway's default."""


class TaskBody(Shape):
    """A task's definition as a person declares it."""

    version: str = ""
    description: Annotated[str, Meta(max_length=20_000)] = ""
    input_schema: OptionalRaw = None
    output_schema: OptionalRaw = None
    examples: Annotated[list[Raw], Meta(max_length=100)] = []
    targets: list[TargetBody] = []
    limits: LimitsBody = LimitsBody()


class KeyBody(Shape):
    """A new API key. `user_id` binds it to one user, who then sees only their own runs.

    With `prefixes` it may register services only below these paths, with a `worker_id` it is that worker's alone.
    """

    name: str
    scopes: list[str]
    kind: str = "user"
    site_id: str = "default"
    user_id: str = ""
    app_id: str = ""
    prefixes: list[str] = []
    worker_id: str = ""
    expires_at: Moment | None = None


class RotateBody(Shape):
    """How long the old key goes on working beside the new one."""

    overlap_s: float = 0.0


class DeadBody(Shape):
    """Which dead letters: these ids, or all of a task, or (neither) all."""

    ids: Annotated[list[str], Meta(max_length=MAX_ITEMS)] = []
    task: str = ""
