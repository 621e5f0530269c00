"""What can be done: a task, its chain of targets and its limits.

A definition is immutable; saving a changed one makes a new `digest`, and a run keeps the digest it was
accepted under. A definition is owned by a site, or by `SHARED` when a worker or key that serves every
site declared it. Lookup: the caller's own site first, then `SHARED`.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from taskgate.wire.messages import OptionalRaw

SHARED = "*"
TargetKind = Literal["workers", "http", "celery", "tool", "people"]


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way to get a task done. `retries=3` means four tries; `advance_after_s` moves on however it stands.

    `http`: the input goes as JSON to `path` below the base URL of `service`, with `method`.
    """

    kind: TargetKind = "workers"
    labels: dict[str, str] = {}
    service: str = ""
    path: str = ""
    method: str = "POST"
    queue: str = ""
    groups: list[str] = []
    retries: int = 3
    timeout_s: float | None = None
    advance_after_s: float | None = None
    backoff_s: float = 1.0
    backoff_max_s: float = 300.0


class TaskLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bounds of a task's runs; None means the gateway's default. Seconds and bytes."""

    deadline_s: float | None = None
    schedule_to_start_s: float | None = None
    memory_bytes: int | None = None


class TaskDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything the gateway knows about a task. `declared` by a person, else made from a worker's hello."""

    name: str
    site_id: str = SHARED
    version: str = ""
    description: str = ""
    input_schema: OptionalRaw = None
    output_schema: OptionalRaw = None
    examples: list[msgspec.Raw] = []
    targets: list[Target] = []
    limits: TaskLimits = TaskLimits()
    declared: bool = False


def digest_of(definition: TaskDefinition) -> str:
    """32 hex characters that name this very definition: equal content, equal digest."""
    return hashlib.sha256(msgspec.json.encode(definition, order="sorted")).hexdigest()[:32]


class QueueKey(msgspec.Struct, frozen=True, order=True):
    """The set of runs that any of the same holders may take: task, version pin ("" = any), required labels.

    Runs that stand on an `http` target wait for a service, whatever their tasks are: `task` is `service/NAME` then,
    which no task can be called and so no worker can offer.
    """

    task: str
    version: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        """One line for people, metrics and Redis keys: `task@version{label=value,…}`."""
        labels = ",".join(f"{key}={value}" for key, value in self.labels)
        return f"{self.task}{'@' + self.version if self.version else ''}{'{' + labels + '}' if labels else ''}"
