"""The worker's side of the link. It outlives connections: runs, results and logs go on while away.

The shell sets plain attributes (`capacity`, `load`, `hello`) and reads others (`phase`, `draining`,
`log_room_bytes`). One link per link process.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from taskgate.wire.link import Limits
from taskgate.wire.messages import GatewayMessage, Hello, Load, TaskResult, WorkerMessage
from taskgate.wire.worker_events import WorkerEvent


class WorkerLink:
    """Conversation with the gateway, over any number of connections.

    `hello` is the template that each connection begins with (`held` and `draining` are filled in here).
    `capacity` is how many runs may be here at a time, waiting ones included (slots + prefetch); credit is
    told to the gateway by itself from it. `results` are those kept on disk by an earlier process, oldest first.
    """

    def __init__(
        self,
        hello: Hello,
        *,
        capacity: int,
        results: Iterable[TaskResult] = (),
        limits: Limits | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.hello = hello
        self.capacity = capacity
        self.load: Load | None = None
        raise NotImplementedError

    def connected(self, now: float) -> None:
        """A fresh connection stands: hello is outgoing, with everything that is held."""
        raise NotImplementedError

    def disconnected(self, now: float) -> Sequence[WorkerEvent]:
        """The connection is gone (safe to call twice). Runs go on until their fences; unbegun offers expire."""
        raise NotImplementedError

    def received(self, message: GatewayMessage, now: float) -> Sequence[WorkerEvent]:
        """Take one message of the gateway. RemoteLinkError: close the connection."""
        raise NotImplementedError

    def send(self, message: WorkerMessage, now: float) -> None:
        """What the shell has to say, whether connected or not:

        `Accept`      the offered run begins now. LeaseLost: too late, do not begin it.
        `Refuse`      the offer is not taken.
        `Log`, `Progress`   with `seq` from 1 without a gap per (run, attempt, stream). Kept until durable.
                      LocalLinkError with code LOG_WINDOW_FULL when `log_room_bytes` is not positive. Dropped
                      without a word once the run was ordered to stop.
        `TaskResult`  the end of a begun run; kept until settled. Too large an output becomes OUTPUT_TOO_LARGE.
        `Stopped`     a run ordered to stop has left.
        `Drain`       nothing new from now on, for good.
        `Credential`  a fresh token. `Bye`: leave; nothing may be sent after it.
        """
        raise NotImplementedError

    def tick(self, now: float) -> Sequence[WorkerEvent]:
        """Do what time demands: heartbeat, offers past their start limit, fences, a silent gateway."""
        raise NotImplementedError

    def next_tick_at(self) -> float:
        """The moment of the next `tick`, infinity when nothing is due. May be early, is never late."""
        raise NotImplementedError

    def outgoing(self) -> list[WorkerMessage]:
        """Everything to be sent on the present connection, in order; asking empties it."""
        raise NotImplementedError
