"""The gateway's side of the link: one per connection, ended with it. The theory stands in `link.py`.

The shell reads plain attributes: `phase`, `simple`, `worker_id`, `hello`, `draining`, `room` (offers that may
be sent now). Whether a lease is still good is the ledger's to say; here a receipt need only be one that this
worker was given. Constant work per message, whatever the worker holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from taskgate.errors import LocalLinkError, RemoteLinkError
from taskgate.ids import is_worker_id
from taskgate.wire import gateway_events as e
from taskgate.wire import messages as m
from taskgate.wire.link import GATEWAY_SAYS, MOVES, WORKER_SAYS, Hold, Limits, Phase
from taskgate.wire.log_window import RunKey, check_lines

Events = Sequence[e.GatewayEvent]
NONE: Events = ()


class _Given:
    """A run that this worker was given: its token and where it stands."""

    __slots__ = ("state", "token")

    def __init__(self, token: str, state: Hold) -> None:
        self.token = token
        self.state = state


class GatewayLink:
    """Conversation with one worker over one connection, from its opening at `now`.

    `worker_id` is the name that the path or the credential gives; empty when hello may choose it.
    """

    def __init__(self, now: float, worker_id: str = "", *, limits: Limits | None = None) -> None:
        self.worker_id = worker_id
        self.phase = Phase.GREETING
        self.hello: m.Hello | None = None
        self.simple = False
        self.draining = False
        self.room = 0
        self._limits = limits or Limits()
        self._given: dict[RunKey, _Given] = {}
        self._told: set[RunKey] = set()
        self._out: list[m.GatewayMessage] = []
        self._credit = 0
        self._offered_count = 0
        self._silent_after_s = self._limits.hello_s
        self._heard_at = now
        self._next_tick_at = now + self._silent_after_s

    def received(self, message: m.WorkerMessage, now: float) -> Events:
        """Take one message of the worker. RemoteLinkError: close the connection with its row's code."""
        kind = type(message)
        if kind not in WORKER_SAYS[self.phase]:
            if self.simple and self.phase is Phase.WELCOMING and kind is m.Heartbeat:
                return NONE
            raise RemoteLinkError(f"{kind.__name__} while {self.phase}", code="UNEXPECTED_MESSAGE")
        self._heard_at = now
        return _TAKE[kind](self, message)

    def send(self, message: m.GatewayMessage, now: float) -> Events:
        """What the shell has to say:

        `Welcome`       once, after `Helloed`; its `lost` are not held. Intervals in it count from now.
        `Task`          an offer; needs `room` > 0. For a simple client the answer is `Accepted` at once.
        `HeartbeatAck`  the outcome of renewing; those in `stop` are being stopped from now on.
        `LogAck`, `Ack` what is durable, settled. `Cancel`: stop this attempt.
        `Config`, `Drain` (no offers after it), `Failure`.
        A `Cancel`, `Ack` or stop for a run not held here is sent all the same: the worker knows what to do.
        """
        kind = type(message)
        if kind not in GATEWAY_SAYS[self.phase]:
            raise LocalLinkError(f"{kind.__name__} while {self.phase}")
        say = _SAY.get(kind)
        events = say(self, message, now) if say is not None else NONE
        self._out.append(message)
        return events

    def tick(self, now: float) -> Events:
        """Do what time demands: a missing hello, a silent worker."""
        if now < self._next_tick_at or self.phase is Phase.CLOSED or self.phase is Phase.WELCOMING:
            return NONE
        if now < self._heard_at + self._silent_after_s:
            self._next_tick_at = self._heard_at + self._silent_after_s
            return NONE
        reason = "hello" if self.phase is Phase.GREETING else "heartbeat"
        self._close()
        return [e.WorkerDead(reason)]

    def next_tick_at(self) -> float:
        """The moment of the next `tick`. May be early, is never late."""
        return self._next_tick_at

    def outgoing(self) -> list[m.GatewayMessage]:
        """Everything to be sent, in order; asking empties it. To a simple client: one message per frame."""
        out = self._out
        if out:
            self._out = []
        return out

    def held(self) -> list[m.Receipt]:
        """What this worker holds as far as this link knows: begun or offered, and not ended."""
        return [
            m.Receipt(run_id=run_id, attempt=attempt, lease_token=given.token)
            for (run_id, attempt), given in self._given.items()
            if given.state is not Hold.ENDED
        ]

    # ------------------------------------------------------------ what the worker says

    def _helloed(self, hello: m.Hello) -> Events:
        if not is_worker_id(hello.worker_id):
            raise RemoteLinkError("hello has no usable worker_id", code="BAD_WORKER_ID")
        if self.worker_id and hello.worker_id != self.worker_id:
            return self._violation(hello.worker_id)
        if hello.versions and m.PROTOCOL_VERSION not in hello.versions:
            raise RemoteLinkError(f"this gateway speaks version {m.PROTOCOL_VERSION}", code="VERSION_UNSUPPORTED")
        if len(hello.held) > self._limits.held_count:
            raise RemoteLinkError(f"hello holds {len(hello.held)} runs", code="TOO_MANY_HELD")
        self.worker_id = hello.worker_id
        self.hello = hello
        self.simple = not hello.versions
        self.draining = hello.draining
        self.phase = Phase.WELCOMING
        for receipt in hello.held:
            self._given[receipt.run_id, receipt.attempt] = _Given(receipt.lease_token, Hold.RUNNING)
        return [e.Helloed(hello, self.simple)]

    def _granted(self, message: m.Ready) -> Events:
        if message.credit < self._credit:
            raise RemoteLinkError("credit never shrinks", code="BAD_CREDIT")
        self._credit = message.credit
        before = self.room
        self._count_room()
        return [e.CreditGrew(self.room)] if self.room > before else NONE

    def _accepted(self, message: m.Accept) -> Events:
        moved = self._move(message)
        return [e.Accepted(message)] if moved is Hold.RUNNING else NONE

    def _refused(self, message: m.Refuse) -> Events:
        return [e.Refused(message)] if self._move(message) is Hold.GONE else NONE

    def _beaten(self, message: m.Heartbeat) -> Events:
        if message.worker_id and message.worker_id != self.worker_id:
            return self._violation(message.worker_id)
        if len(message.held) > self._limits.held_count:
            raise RemoteLinkError(f"heartbeat holds {len(message.held)} runs", code="TOO_MANY_HELD")
        self._out.append(m.HeartbeatAck(nonce=message.nonce))
        held = self.held() if self.simple else message.held
        return [e.BeatReceived(message.nonce, held, message.load)]

    def _logged(self, message: m.Log) -> Events:
        if not self._is_writer(message):
            return NONE
        wrong = check_lines(message, line_count=self._limits.log_lines, line_chars=self._limits.line_chars)
        if wrong:
            raise RemoteLinkError(wrong, code="BAD_LOG")
        return [e.LogsReceived(message)]

    def _progressed(self, message: m.Progress) -> Events:
        if not self._is_writer(message):
            return NONE
        if not 0.0 <= message.fraction <= 1.0 or message.seq < 1 or len(message.text) > self._limits.line_chars:
            raise RemoteLinkError("progress is a fraction of 0..1, numbered from 1, with a short text", code="BAD_LOG")
        return [e.ProgressReceived(message)]

    def _ended(self, message: m.TaskResult) -> Events:
        if message.worker_id and message.worker_id != self.worker_id:
            return self._violation(message.worker_id)
        if self.simple:
            return self._ended_simply(message)
        if not (message.run_id and message.attempt and message.lease_token):
            raise RemoteLinkError("a result needs run_id, attempt and lease_token", code="BAD_RESULT")
        key = (message.run_id, message.attempt)
        given = self._given.get(key)
        if given is not None and given.token == message.lease_token:
            state = MOVES.get((given.state, m.TaskResult))
            if state is None:
                raise RemoteLinkError(f"a result for a run that is {given.state}", code="UNEXPECTED_MESSAGE")
            given.state = state
        return [e.ResultReceived(message)]

    def _ended_simply(self, message: m.TaskResult) -> Events:
        """A simple client names its one run by whatever name it knows; its credit comes back."""
        name = message.run_id or message.tracking_id
        for (run_id, attempt), given in self._given.items():
            if run_id == name and given.state is not Hold.ENDED:
                given.state = Hold.ENDED
                self._credit += 1
                self._count_room()
                whole = msgspec.structs.replace(message, run_id=run_id, attempt=attempt, lease_token=given.token)
                return [e.ResultReceived(whole), e.CreditGrew(self.room)]
        self._out.append(m.Failure(code="STALE_ATTEMPT", detail="this run is not held here", run_id=name[:128]))
        return NONE

    def _reported_stopped(self, message: m.Stopped) -> Events:
        given = self._given.get((message.run_id, message.attempt))
        if given is not None and MOVES.get((given.state, m.Stopped)) is Hold.GONE:
            del self._given[message.run_id, message.attempt]
        return [e.StoppedReported(message)]

    def _told_credential(self, message: m.Credential) -> Events:
        return [e.CredentialOffered(message.token)]

    def _drained(self, message: m.Drain) -> Events:
        self.draining = True
        self.room = 0
        return [e.Draining(message.reason)]

    def _left(self, message: m.Bye) -> Events:
        held = self.held()
        self._close()
        return [e.Left(message.reason, message.drained, held)]

    # ------------------------------------------------------------ what the shell says

    def _welcome(self, message: m.Welcome, now: float) -> Events:
        self.phase = Phase.OPEN
        self._silent_after_s = message.dead_after_s
        self._heard_at = now
        self._next_tick_at = now + message.dead_after_s
        for receipt in message.lost:
            self._given.pop((receipt.run_id, receipt.attempt), None)
        if not self.simple:
            return NONE
        self._credit = 1
        self._count_room()
        return [e.CreditGrew(self.room)] if self.room else NONE

    def _offer(self, message: m.Task, now: float) -> Events:
        key = (message.run_id, message.attempt)
        if self.room <= 0 or key in self._given:
            raise LocalLinkError("an offer without room for it, or made twice")
        self._offered_count += 1
        self.room -= 1
        self._given[key] = _Given(message.lease_token, Hold.RUNNING if self.simple else Hold.OFFERED)
        if not self.simple:
            return NONE
        accept = m.Accept(run_id=message.run_id, attempt=message.attempt, lease_token=message.lease_token)
        return [e.Accepted(accept)]

    def _ack(self, message: m.Ack, now: float) -> Events:
        given = self._given.get((message.run_id, message.attempt))
        if given is not None and given.state is Hold.ENDED:
            del self._given[message.run_id, message.attempt]
        return NONE

    def _order_stop(self, message: m.Cancel | m.HeartbeatAck, now: float) -> Events:
        for order in message.stop if isinstance(message, m.HeartbeatAck) else (message,):
            given = self._given.get((order.run_id, order.attempt))
            if given is not None:
                given.state = MOVES[given.state, m.Cancel]
        return NONE

    def _drain(self, message: m.Drain, now: float) -> Events:
        self.draining = True
        self.room = 0
        return NONE

    def _configure(self, message: m.Config, now: float) -> Events:
        self._silent_after_s = message.dead_after_s
        self._next_tick_at = now
        return NONE

    # ------------------------------------------------------------ rules

    def _move(self, message: m.Accept | m.Refuse) -> Hold | None:
        """Move a run on as the table says; a stale or foreign receipt is told to stop and moves nothing."""
        key = (message.run_id, message.attempt)
        given = self._given.get(key)
        if given is None or given.token != message.lease_token:
            if type(message) is m.Accept:
                self._tell_stale(key)
            return None
        state = MOVES.get((given.state, type(message)))
        if state is None:
            raise RemoteLinkError(
                f"{type(message).__name__} for a run that is {given.state}", code="UNEXPECTED_MESSAGE"
            )
        given.state = state
        if state is Hold.GONE:
            del self._given[key]
        return state

    def _is_writer(self, message: m.Log | m.Progress) -> bool:
        """Whether these lines come from a run that was begun here and may still write (INV-F1)."""
        key = (message.run_id, message.attempt)
        given = self._given.get(key)
        if given is None or given.token != message.lease_token:
            self._tell_stale(key)
            return False
        if given.state is Hold.OFFERED:
            raise RemoteLinkError("lines of a run that was not accepted", code="UNEXPECTED_MESSAGE")
        return given.state is not Hold.STOPPING

    def _tell_stale(self, key: RunKey) -> None:
        """A stale holder is told to stop, once per connection and run."""
        if key not in self._told:
            if len(self._told) >= self._limits.held_count:
                self._told.clear()
            self._told.add(key)
            self._out.append(m.Cancel(run_id=key[0], attempt=key[1], reason="lost"))

    def _count_room(self) -> None:
        if self.phase is Phase.OPEN and not self.draining:
            self.room = min(self._limits.room, self._credit - self._offered_count)

    def _violation(self, claimed: str) -> Events:
        self._close()
        return [e.Violation("WRONG_WORKER", f"this connection is not {claimed[:128]!r}'s")]

    def _close(self) -> None:
        self.phase = Phase.CLOSED
        self.room = 0
        self._next_tick_at = float("inf")


_TAKE: dict[type[m.Message], Callable[[GatewayLink, Any], Events]] = {
    m.Hello: GatewayLink._helloed,
    m.Ready: GatewayLink._granted,
    m.Accept: GatewayLink._accepted,
    m.Refuse: GatewayLink._refused,
    m.Heartbeat: GatewayLink._beaten,
    m.Log: GatewayLink._logged,
    m.Progress: GatewayLink._progressed,
    m.TaskResult: GatewayLink._ended,
    m.Stopped: GatewayLink._reported_stopped,
    m.Credential: GatewayLink._told_credential,
    m.Drain: GatewayLink._drained,
    m.Bye: GatewayLink._left,
}

_SAY: dict[type[m.Message], Callable[[GatewayLink, Any, float], Events]] = {
    m.Welcome: GatewayLink._welcome,
    m.Task: GatewayLink._offer,
    m.Ack: GatewayLink._ack,
    m.Cancel: GatewayLink._order_stop,
    m.HeartbeatAck: GatewayLink._order_stop,
    m.Drain: GatewayLink._drain,
    m.Config: GatewayLink._configure,
}
