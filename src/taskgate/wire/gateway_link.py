"""The gateway's side of the link: one per connection, ended with it.

The shell reads plain attributes: `phase`, `simple`, `worker_id`, `hello`, `room` (offers that may be sent
now), `draining`, `held_count`.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.wire.gateway_events import GatewayEvent
from taskgate.wire.link import Limits
from taskgate.wire.messages import GatewayMessage, Receipt, WorkerMessage


class GatewayLink:
    """Conversation with one worker over one connection, from its opening at `now`.

    `worker_id` is the name that the path or the credential gives; empty when hello may choose it.
    """

    def __init__(self, now: float, worker_id: str = "", *, limits: Limits | None = None) -> None:
        self.worker_id = worker_id
        raise NotImplementedError

    def received(self, message: WorkerMessage, now: float) -> Sequence[GatewayEvent]:
        """Take one message of the worker. RemoteLinkError: close the connection with its row's code."""
        raise NotImplementedError

    def send(self, message: GatewayMessage, now: float) -> Sequence[GatewayEvent]:
        """What the shell has to say:

        `Welcome`       once, after `Helloed`; its `lost` are not held. Intervals in it count from now.
        `Task`          an offer; needs `room` > 0. For a simple client the answer is `Accepted` at once.
        `HeartbeatAck`  the outcome of renewing; those in `stop` are being stopped from now on.
        `LogAck`, `Ack` what is durable, settled. `Cancel`: stop this attempt.
        `Config`, `Drain` (no offers after it), `Failure`.
        A `Cancel`, `Ack` or stop for a run not held here is sent all the same: the worker ignores it.
        """
        raise NotImplementedError

    def tick(self, now: float) -> Sequence[GatewayEvent]:
        """Do what time demands: a missing hello, a silent worker."""
        raise NotImplementedError

    def next_tick_at(self) -> float:
        """The moment of the next `tick`. May be early, is never late."""
        raise NotImplementedError

    def outgoing(self) -> list[GatewayMessage]:
        """Everything to be sent, in order; asking empties it. To a simple client: one message per frame."""
        raise NotImplementedError

    def held(self) -> list[Receipt]:
        """What this worker holds as far as this link knows: accepted or offered, and not ended."""
        raise NotImplementedError
