"""The worker's side of the link. It outlives connections: runs, results and logs go on while away.

The shell sets plain attributes (`capacity`, `load`, `hello`) and reads others (`phase`, `welcome`, `draining`,
`log_room_bytes`). One link per link process. The theory stands in `link.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

import msgspec

from taskgate.errors import LocalLinkError, RemoteLinkError
from taskgate.wire import messages as m
from taskgate.wire import worker_events as e
from taskgate.wire.beats import Beats
from taskgate.wire.link import GATEWAY_SAYS, Hold, Limits, Phase
from taskgate.wire.log_window import LogWindow, RunKey
from taskgate.wire.worker_runs import WorkerRun, WorkerRuns, bounded, refusal, stopped

Events = Sequence[e.WorkerEvent]
NONE: Events = ()
TICK_GRAIN_S = 0.02  # ticks come no closer together than this


class WorkerLink:
    """Conversation with the gateway, over any number of connections.

    `hello` is the template that each connection begins with (`held` and `draining` are filled in here).
    `capacity` is how many runs may be here at a time, waiting ones included (slots + prefetch); credit is
    told to the gateway by itself from it. `results` are those kept on disk by an earlier process, oldest first.
    """

    def __init__(
        self,
        hello: m.Hello,
        *,
        capacity: int,
        results: Iterable[m.TaskResult] = (),
        limits: Limits | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if m.PROTOCOL_VERSION not in hello.versions:
            raise LocalLinkError("hello must offer the version that this link speaks")
        self.hello = hello
        self.capacity = capacity
        self.load: m.Load | None = None
        self.phase = Phase.AWAY
        self.draining = hello.draining
        self.welcome = m.Welcome(worker_id=hello.worker_id)
        self._limits = limits or Limits()
        self.runs = WorkerRuns(results)
        self._logs = LogWindow(self._limits.log_window_bytes)
        self._beats = Beats(chance)
        self._out: list[m.WorkerMessage] = []
        self._stopped: list[m.Stopped] = []
        self._offered_count = 0
        self._credit = 0
        self._credit_ends = False
        self._next_tick_at = inf

    @property
    def log_room_bytes(self) -> int:
        """Log text that still fits into the window; stop reading from task processes while it is not positive."""
        return self._logs.room_bytes

    @property
    def unsettled_count(self) -> int:
        """Results that the gateway has not acknowledged."""
        return len(self.runs.results)

    @property
    def active_count(self) -> int:
        """Runs that are offered, running or being stopped here."""
        return len(self.runs.active)

    def connected(self, now: float) -> None:
        """A fresh connection stands: hello is outgoing, with everything that is held."""
        if self.phase is not Phase.AWAY:
            raise LocalLinkError(f"connected while {self.phase}")
        self.phase = Phase.WELCOMING
        self._offered_count, self._credit, self._credit_ends = 0, 0, False
        hello = msgspec.structs.replace(self.hello, held=self.runs.held(), draining=self.draining)
        self._out = [hello]
        self._beats.connect(now)
        self._next_tick_at = now

    def disconnected(self, now: float) -> Events:
        """The connection is gone (safe to call twice). Runs go on until their fences; unbegun offers expire."""
        if self.phase is not Phase.CLOSED:
            self.phase = Phase.AWAY
        self._out = []
        gone = [key for key, run in self.runs.active.items() if run.state is Hold.OFFERED]
        for key in gone:
            del self.runs.active[key]
        self._next_tick_at = now
        return [e.OfferExpired(run_id, attempt, "disconnected") for run_id, attempt in gone]

    def received(self, message: m.GatewayMessage, now: float) -> Events:
        """Take one message of the gateway. RemoteLinkError: close the connection."""
        kind = type(message)
        if kind not in GATEWAY_SAYS[self.phase]:
            raise RemoteLinkError(f"{kind.__name__} while {self.phase}", code="UNEXPECTED_MESSAGE")
        return _TAKE[kind](self, message, now)

    def send(self, message: m.WorkerMessage, now: float) -> None:
        """What the shell has to say, whether connected or not:

        `Accept`      the offered run begins now. LeaseLost: too late, do not begin it.
        `Refuse`      the offer is not taken; one that is not held any more is refused already.
        `Log`, `Progress`   with `seq` from 1 without a gap per (run, attempt, stream). Kept until durable; dropped
                      once the run was ordered to stop. LocalLinkError LOG_WINDOW_FULL: `log_room_bytes` is used up.
        `TaskResult`  the end of a begun run; kept until settled. Too large an output becomes OUTPUT_TOO_LARGE.
        `Stopped`     a run ordered to stop has left.
        `Drain`       nothing new from now on, for good.
        `Credential`  a fresh token; an empty one asks for ours renewed. `Bye`: leave; nothing may be said after it.
        """
        say = _SAY.get(type(message))
        if say is None or self.phase is Phase.CLOSED:
            raise LocalLinkError(f"{type(message).__name__} is not the shell's to say while {self.phase}")
        say(self, message, now)

    def tick(self, now: float) -> Events:
        """Do what time demands: heartbeat, offers past their start limit, fences, a silent gateway."""
        if now < self._next_tick_at or self.phase is Phase.CLOSED:
            return NONE
        events = self._expire(now)
        if self.phase is Phase.OPEN or self.phase is Phase.WELCOMING:
            limit_s = self.welcome.dead_after_s if self.phase is Phase.OPEN else self._limits.welcome_s
            if now >= self._beats.proved_at + limit_s:
                reason = "heartbeat" if self.phase is Phase.OPEN else "welcome"
                return [*events, *self.disconnected(now), e.GatewayDead(reason)]
        self._next_tick_at = max(self._plan(now), now + TICK_GRAIN_S)
        return events

    def next_tick_at(self) -> float:
        """The moment of the next `tick`, infinity when nothing is due. May be early, is never late."""
        return inf if self.phase is Phase.CLOSED else self._next_tick_at

    def outgoing(self) -> list[m.WorkerMessage]:
        """Everything to be sent on the present connection, in order; asking empties it."""
        if self.phase is Phase.OPEN:
            self._grow_credit()
        out = self._out
        if out:
            self._out = []
        return out

    # ------------------------------------------------------------ what the gateway says

    def _welcomed(self, message: m.Welcome, now: float) -> Events:
        if message.version not in self.hello.versions:
            raise RemoteLinkError(f"version {message.version} was not offered", code="VERSION_UNSUPPORTED")
        self.phase = Phase.OPEN
        self.welcome = message
        self._beats.welcome(message.heartbeat_s, now)
        events: list[e.WorkerEvent] = [e.Welcomed(message)]
        for receipt in message.lost:
            events += self._stop((receipt.run_id, receipt.attempt), "lost")
        self._out += self._logs.again()
        self._out += self.runs.results.values()
        self._out += self._stopped
        self._stopped = []
        if self.runs.active or self.runs.results:
            self._beat(now)
        self._next_tick_at = now
        return events

    def _offered(self, task: m.Task, now: float) -> Events:
        key = (task.run_id, task.attempt)
        if self._offered_count >= self._credit or key in self.runs.active:
            raise RemoteLinkError("an offer beyond the credit, or one made twice", code="UNEXPECTED_OFFER")
        self._offered_count += 1
        if self.draining:
            self._out.append(refusal(task, "draining"))
            return NONE
        limits = self._limits
        margin_s = min(limits.offer_margin_s, task.offer_s / 5)
        run = WorkerRun(task, start_by_at=now + limits.start_s, fence_at=now + task.offer_s - margin_s)
        self.runs.active[key] = run
        self._next_tick_at = min(self._next_tick_at, run.start_by_at)
        return [e.Offered(task)]

    def _beat_answered(self, message: m.HeartbeatAck, now: float) -> Events:
        sent_at = self._beats.answered(message.nonce, now)
        if sent_at is not None:
            margin_s = min(self._limits.fence_margin_s, self.welcome.lease_s / 4)
            for receipt in message.renewed:
                left_s = self.welcome.lease_s if receipt.left_s is None else receipt.left_s
                self.runs.renewed(receipt, sent_at + left_s - margin_s)
        return [event for r in message.stop for event in self._stop((r.run_id, r.attempt), "lost")]

    def _logged(self, message: m.LogAck, now: float) -> Events:
        durable = e.LogsDurable(message.run_id, message.attempt, message.stream, message.seq)
        return [durable] if self._logs.acked(message) else NONE

    def _settled(self, message: m.Ack, now: float) -> Events:
        key = (message.run_id, message.attempt)
        if self.runs.results.pop(key, None) is None:
            return NONE
        if message.verdict == "stale":
            self._logs.discard(key)
        return [e.ResultSettled(message.run_id, message.attempt, message.verdict, message.code)]

    def _cancelled(self, message: m.Cancel, now: float) -> Events:
        key = (message.run_id, message.attempt)
        if key in self.runs.active:
            return self._stop(key, message.reason)
        self._logs.discard(key)
        self._out.append(m.Stopped(run_id=message.run_id, attempt=message.attempt, lease_token=""))
        return NONE

    def _configured(self, message: m.Config, now: float) -> Events:
        self.welcome = msgspec.structs.replace(
            self.welcome, heartbeat_s=message.heartbeat_s, dead_after_s=message.dead_after_s
        )
        self._beats.welcome(message.heartbeat_s, now)
        self._next_tick_at = now
        return NONE

    def _drained(self, message: m.Drain, now: float) -> Events:
        self._credit_ends = True
        return [e.DrainAsked(message.reason, message.reconnect, message.delay_s)]

    def _stop(self, key: RunKey, reason: str) -> list[e.WorkerEvent]:
        """Order a run to stop, once; an offer that nobody began is answered here. Its logs have no reader any more."""
        self._logs.discard(key)
        ordered = self.runs.order_stop(key)
        if ordered is None:
            return []
        before, receipt = ordered
        if before is Hold.RUNNING:
            return [e.Stop(*key, reason)]
        self._out.append(stopped(receipt))
        return [e.OfferExpired(*key, reason)]

    # ------------------------------------------------------------ what the shell says

    def _accept(self, message: m.Accept, now: float) -> None:
        key = (message.run_id, message.attempt)
        self.runs.move(key, m.Accept, now=now)
        run = self.runs.active[key]
        run.confirm_at = now + min(self._limits.confirm_s, self.welcome.offer_s / 5)
        self._next_tick_at = min(self._next_tick_at, run.confirm_at)
        self._out.append(message)

    def _refuse(self, message: m.Refuse, now: float) -> None:
        key = (message.run_id, message.attempt)
        if key in self.runs.active:
            self.runs.move(key, m.Refuse, now=now)
            self._out.append(message)

    def _say_log(self, message: m.Log | m.Progress, now: float) -> None:
        run = self.runs.active.get((message.run_id, message.attempt))
        if run is None or run.state is Hold.OFFERED:
            raise LocalLinkError(f"{message.run_id} attempt {message.attempt} does not run here")
        if run.state is Hold.RUNNING:
            self._logs.add(message)
            if self.phase is Phase.OPEN:
                self._out.append(message)

    def _finish(self, message: m.TaskResult, now: float) -> None:
        key = (message.run_id, message.attempt)
        self.runs.move(key, m.TaskResult, now=now)
        self._logs.end(key)
        self.runs.results[key] = message = bounded(message, self.welcome.max_output_bytes)
        if self.phase is Phase.OPEN:
            self._out.append(message)

    def _say_stopped(self, message: m.Stopped, now: float) -> None:
        key = (message.run_id, message.attempt)
        self.runs.move(key, m.Stopped, now=now)
        self._logs.discard(key)
        (self._out if self.phase is Phase.OPEN else self._stopped).append(message)

    def _say_now(self, message: m.Drain | m.Credential | m.Bye, now: float) -> None:
        self.draining = self.draining or isinstance(message, m.Drain)
        if self.phase is Phase.OPEN:
            self._out.append(message)
        if isinstance(message, m.Bye):
            self.phase = Phase.CLOSED

    # ------------------------------------------------------------ time and credit

    def _expire(self, now: float) -> list[e.WorkerEvent]:
        """Fences that have passed stop their runs; offers past their start limit go back."""
        events: list[e.WorkerEvent] = []
        for key, state, reason in self.runs.overdue(now):
            if state is Hold.OFFERED:
                self._out.append(refusal(self.runs.active.pop(key).receipt, "busy"))
                events.append(e.OfferExpired(*key, reason))
            else:
                events += self._stop(key, reason)
        return events

    def _plan(self, now: float) -> float:
        """Send the heartbeat that is due, and find the next moment."""
        overdue_at, confirm_at = self.runs.moments()
        if self.phase is Phase.WELCOMING:
            return min(overdue_at, self._beats.proved_at + self._limits.welcome_s)
        if self.phase is not Phase.OPEN:
            return overdue_at
        if now >= min(self._beats.due_at, confirm_at):
            self._beat(now)
            confirm_at = self.runs.moments()[1]
        return min(overdue_at, confirm_at, self._beats.due_at, self._beats.proved_at + self.welcome.dead_after_s)

    def _beat(self, now: float) -> None:
        """Prove life on this stream, and ask for every lease."""
        self._out.append(m.Heartbeat(nonce=self._beats.next(now), held=self.runs.held(), load=self.load))
        self.runs.asked(now + min(self._limits.confirm_s, self.welcome.offer_s / 5))

    def _grow_credit(self) -> None:
        if self.draining or self._credit_ends or len(self.runs.results) >= self._limits.unsettled_count:
            return
        credit = self._offered_count + self.capacity - len(self.runs.active)
        if credit > self._credit:
            self._credit = credit
            self._out.append(m.Ready(credit=credit))


_TAKE: dict[type[m.Message], Callable[[WorkerLink, Any, float], Events]] = {
    m.Welcome: WorkerLink._welcomed,
    m.Task: WorkerLink._offered,
    m.HeartbeatAck: WorkerLink._beat_answered,
    m.LogAck: WorkerLink._logged,
    m.Ack: WorkerLink._settled,
    m.Cancel: WorkerLink._cancelled,
    m.Config: WorkerLink._configured,
    m.Drain: WorkerLink._drained,
    m.Failure: lambda _, message, now: [e.GatewayFailed(message.code, message.detail, message.run_id)],
    m.Credential: lambda _, message, now: [e.CredentialRenewed(message.token)],
}

_SAY: dict[type[m.Message], Callable[[WorkerLink, Any, float], None]] = {
    m.Accept: WorkerLink._accept,
    m.Refuse: WorkerLink._refuse,
    m.Log: WorkerLink._say_log,
    m.Progress: WorkerLink._say_log,
    m.TaskResult: WorkerLink._finish,
    m.Stopped: WorkerLink._say_stopped,
    m.Drain: WorkerLink._say_now,
    m.Credential: WorkerLink._say_now,
    m.Bye: WorkerLink._say_now,
}
