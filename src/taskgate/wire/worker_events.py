"""What a worker's link tells its shell to do. Plain values, one class per order.

The shell acts on each in turn; it never answers through the event but through `WorkerLink.send`.
"""

from __future__ import annotations

import msgspec

from taskgate.wire.messages import Task, Welcome


class WorkerEvent(msgspec.Struct, frozen=True):
    """Parent of every event of `WorkerLink`."""


class Welcomed(WorkerEvent, frozen=True):
    """The gateway knows us. Reset the reconnect delay. Unacknowledged logs and results are already outgoing."""

    welcome: Welcome


class Offered(WorkerEvent, frozen=True):
    """A run to begin as soon as a task process is free: send `Accept` at that moment, or `Refuse`."""

    task: Task


class OfferExpired(WorkerEvent, frozen=True):
    """Forget this offer, it must not be begun any more. The link has answered whatever was to be answered.

    `reason`: `busy` (start limit passed, refused back), `fence`, `cancelled`, `lost`, `disconnected`.
    """

    run_id: str
    attempt: int
    reason: str


class Stop(WorkerEvent, frozen=True):
    """Kill this run now, its whole process group, and send `Stopped` when nothing of it is left.

    `reason`: `cancelled`, `timeout`, `lost` (told by the gateway), `fence` (we could not renew in time).
    Comes at most once per run.
    """

    run_id: str
    attempt: int
    reason: str


class ResultSettled(WorkerEvent, frozen=True):
    """The gateway has the result (`applied`, `replayed`) or will never want it (`stale`): delete the kept copy."""

    run_id: str
    attempt: int
    verdict: str
    code: str


class LogsDurable(WorkerEvent, frozen=True):
    """Entries up to `seq` are durable; `WorkerLink.log_room_bytes` has grown."""

    run_id: str
    attempt: int
    stream: str
    seq: int


class DrainAsked(WorkerEvent, frozen=True):
    """The gateway wants nothing new begun here. With `reconnect`: close, and come back after about `delay_s`."""

    reason: str
    reconnect: bool
    delay_s: float


class GatewayFailed(WorkerEvent, frozen=True):
    """The gateway refused something we said; `run_id` is empty when it is about the link itself."""

    code: str
    detail: str
    run_id: str


class CredentialRenewed(WorkerEvent, frozen=True):
    """Our token with a later end, which was asked for: keep it, the next connection shows it."""

    token: str


class GatewayDead(WorkerEvent, frozen=True):
    """The gateway has not answered on this stream in time: close the connection, then `disconnected`."""

    reason: str
