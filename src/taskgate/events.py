"""What rooms tell each other over the bus.

Events are past tense and carry plain values; `run` members are `taskgate.runs.run.Run`, typed loosely here
because the ground floor knows no rooms.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class RunAccepted(Struct, frozen=True):
    """A run was accepted and is durable."""

    run: Any


class RunMoved(Struct, frozen=True):
    """A run is still open but changed its place: queued again, waiting for a retry, on another target."""

    run: Any
    because: str


class RunStarted(Struct, frozen=True):
    """A holder began a run and the gateway committed it."""

    run_id: str
    attempt: int
    holder: str


class RunFinished(Struct, frozen=True):
    """A run ended; `run` is its terminal state as committed."""

    run: Any


class WorkerJoined(Struct, frozen=True):
    """A worker connected."""

    worker_id: str
    transport: str


class WorkerLeft(Struct, frozen=True):
    """A worker's connection ended; its leases run on."""

    worker_id: str
    reason: str


class KeyRevoked(Struct, frozen=True):
    """An API key was revoked: every live connection that it opened must end."""

    key_id: str


class RoutesChanged(Struct, frozen=True):
    """The set of services changed; `snapshot` is the new `taskgate.routes.service.Snapshot`, whole."""

    snapshot: Any
