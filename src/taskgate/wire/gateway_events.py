"""What a gateway's link tells its shell. Plain values, one class per piece of news.

Everything has passed the rules of the link (phase, receipt known on this link, bounds); whether a lease
is still good is the ledger's to say, by compare-and-set.
"""

from __future__ import annotations

import msgspec

from taskgate.wire.messages import Accept, Hello, Load, Log, Progress, Receipt, Refuse, Stopped, TaskResult


class GatewayEvent(msgspec.Struct, frozen=True):
    """Parent of every event of `GatewayLink`."""


class Helloed(GatewayEvent, frozen=True):
    """Somebody wants to work. Judge it, then send `Welcome`, or `Failure` and close."""

    hello: Hello
    simple: bool


class CreditGrew(GatewayEvent, frozen=True):
    """`room` offers may be sent now."""

    room: int


class Accepted(GatewayEvent, frozen=True):
    """The run has begun: renew its lease for the first time."""

    accept: Accept


class Refused(GatewayEvent, frozen=True):
    """The offer came back; it is not held here any more."""

    refuse: Refuse


class BeatReceived(GatewayEvent, frozen=True):
    """Proof of life, already answered. Renew `held`, then send `HeartbeatAck(nonce, renewed, stop)`.

    `held` is everything this worker wants renewed (for a simple client: everything it holds); may be empty,
    then nothing more need be sent.
    """

    nonce: str
    held: list[Receipt]
    load: Load | None


class LogsReceived(GatewayEvent, frozen=True):
    """Append them, then send `LogAck`. The receipt is one that this link holds."""

    log: Log


class ProgressReceived(GatewayEvent, frozen=True):
    """Append it, then send `LogAck` with stream `progress`."""

    progress: Progress


class ResultReceived(GatewayEvent, frozen=True):
    """Apply it, then send `Ack`. The receipt is complete, for a simple client too."""

    result: TaskResult


class StoppedReported(GatewayEvent, frozen=True):
    """Nothing of that run is left on the worker; it is not held here any more."""

    stopped: Stopped


class CredentialOffered(GatewayEvent, frozen=True):
    """A fresh token to verify; an empty one wishes that the present one be renewed."""

    token: str


class Draining(GatewayEvent, frozen=True):
    """The worker takes nothing new. `room` is 0 from now on."""

    reason: str


class Left(GatewayEvent, frozen=True):
    """The worker said goodbye: release `held` at once and close."""

    reason: str
    drained: bool
    held: list[Receipt]


class Violation(GatewayEvent, frozen=True):
    """The worker spoke for somebody else (`WRONG_WORKER`) : send nothing more, close with 4403."""

    code: str
    detail: str


class WorkerDead(GatewayEvent, frozen=True):
    """No hello in time (`hello`), or no sign of life (`heartbeat`): close with 4408. No lease ends by this."""

    reason: str
