"""What rooms tell each other over the bus.

Events are past tense and carry plain values; `run` members are `taskgate.runs.run.Run`, typed loosely here
because the ground floor knows no rooms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunAccepted:
    """A run was accepted and is durable."""

    run: Any


@dataclass(frozen=True, slots=True)
class RunMoved:
    """A run is still open but changed its place: queued again, waiting for a retry, on another target."""

    run: Any
    because: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A holder began a run and the gateway committed it."""

    run_id: str
    attempt: int
    holder: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended; `run` is its terminal state as committed."""

    run: Any


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker connected."""

    worker_id: str
    transport: str


@dataclass(frozen=True, slots=True)
class WorkerLeft:
    """A worker's connection ended; its leases run on."""

    worker_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    """An API key was revoked: every live connection that it opened must end."""

    key_id: str


@dataclass(frozen=True, slots=True)
class RoutesChanged:
    """The set of services changed; `snapshot` is the new `taskgate.routes.service.Snapshot`, whole."""

    snapshot: Any
