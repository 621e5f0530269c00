"""The item of a forwarded request: admission, its body, its deadlines, the caller's leaving.

Admission comes before anything is done for a call: who calls, whether they may know of the route, its scope, its size,
its rate limits. Who is remembered is admitted without a pause; only an unknown credential is asked about in a task.
"""

from __future__ import annotations

from taskgate.errors import (
    Forbidden,
    Limited,
    NotFound,
    TaskgateError,
    TooLarge,
    Unavailable,
    UpstreamSlow,
    WrongMethod,
)
from taskgate.identity.principal import Principal
from taskgate.proxy.answering import Answering
from taskgate.proxy.call import (
    ANSWERING,
    COLLECTING,
    CONNECTING,
    ENDED,
    HOLD_BODY,
    READY,
    RELAYING,
    RUNNING,
    SENT,
    monotonic,
)  # fmt: skip
from taskgate.proxy.pieces import CONTINUE, LAST_CHUNK, chunk
from taskgate.proxy.turn import NEVER


class Exchange(Answering):
    """One forwarded request."""

    __slots__ = ()

    def start(self) -> None:
        """Ask who calls, and forward."""
        self.started_at = monotonic()
        self.lane.counters.requests += 1
        self.lane.counters.active += 1
        if self.means.origins.is_on:
            self.grant_lines = self.means.origins.lines(self.head.pairs)
        head, principal = self.head, self.principal
        try:
            if principal is None:
                principal = self.means.door.recall(head.pairs, query=head.query, address=head.caller)
            if principal is not None:
                self._admit(principal)
        except TaskgateError as error:
            self._refuse(error)
            return
        if principal is None:
            work = self.means.door.admit(head.pairs, query=head.query, address=head.caller)
            self._spawn(work, then=self._known)

    def body(self, data: bytes) -> None:
        """Pass a piece on, or keep it until there is somebody to pass it to."""
        state = self.state
        if state == ENDED:
            return
        self.body_bytes += len(data)
        if self.body_bytes > self.lane.policy.max_body_bytes and state != COLLECTING:
            self._refuse(_too_large(self.lane.policy.max_body_bytes))
            return
        if self._record is not None:
            self._record.request_body(data)
        if self.is_whole:
            self.kept.append(data)
        if state in (SENT, ANSWERING):
            self._pass_on(data)
        elif state != RUNNING and self.body_bytes > self.means.settings.replay_bytes and not self._is_for_run():
            self.front.hold(HOLD_BODY)

    def body_end(self) -> None:
        """The body is whole."""
        if self.has_body_ended:
            return
        self.has_body_ended = True
        if self.state == READY:
            self._send()
        elif self.state in (SENT, ANSWERING):
            if self.head.body_length is None and self.upstream is not None:
                self.upstream.wire.write(LAST_CHUNK)
        elif self.state == RUNNING:
            self._start_run(self.lane.legs[self.leg_number])

    def broken(self, error: TaskgateError) -> None:
        """The body cannot be completed, so neither can the request."""
        if self.state != ENDED:
            self._refuse(error)

    def lost(self) -> None:
        """The caller is gone: the upstream's connection is closed at once."""
        self.status = 0
        self._finish("CALLER_GONE")

    def pace(self, *, is_open: bool) -> None:
        """The caller reads slowly: so is the upstream read."""
        self.is_paced = not is_open
        upstream = self.upstream
        if upstream is not None and not upstream.transport.is_closing():
            if is_open:
                upstream.transport.resume_reading()
            else:
                upstream.transport.pause_reading()

    def on_deadline(self, now: float) -> None:
        """What was waited for did not come."""
        state = self.state
        self.deadline = NEVER
        if state == CONNECTING:
            self._not_connected()
        elif state in (READY, SENT):
            self._told_breaker(well=False, why="it did not answer in time")
            self._let_go()
            self._failed("first_byte_timeout", UpstreamSlow("the service did not answer in time"))
        elif state == ANSWERING:
            self._cut("UPSTREAM_IDLE")
        elif state == RUNNING:
            self._refuse(UpstreamSlow("the request did not become whole in time"))
        elif state == RELAYING and self.relay is not None:
            self.relay.cut()

    # ---------------------------------------------------------------- admission

    def _known(self, found: Principal | TaskgateError) -> None:
        """Who calls has been found out."""
        try:
            if isinstance(found, TaskgateError):
                raise found
            self._admit(found)
        except TaskgateError as refused:
            self._refuse(refused)

    def _admit(self, principal: Principal) -> None:
        """Raises what the caller is told when it may not pass."""
        self.principal = principal
        lane, policy = self.lane, self.lane.policy
        if not lane.serves(principal):
            raise NotFound("there is nothing at this address", code="NO_SUCH_ADDRESS")
        if lane.allow:
            raise WrongMethod(f"{self.head.method} is not known here", extra={"allow": lane.allow})
        if policy.scope and not principal.may(policy.scope):
            raise Forbidden(f"this needs the scope {policy.scope}", extra={"scope": policy.scope})
        if (self.head.body_length or self.body_bytes) > policy.max_body_bytes:
            raise _too_large(policy.max_body_bytes)
        grant = lane.limits.admit(principal, self.started_at)
        self.grant_lines += grant.headers
        if grant.wait_s > 0:
            raise Limited("this route is called too often", retry_after_s=grant.wait_s)
        if b"via" in self.head.special:
            self.means.passing.forwarded(self.head, self.front.address)
        self._begin()

    def _begin(self) -> None:
        """Let in: forward it."""
        lane, policy = self.lane, self.lane.policy
        assert self.principal is not None
        self.means.open_calls.add(self)
        if policy.record != "none":
            self._begin_record(self.principal)
            if self._record is not None:
                for piece in self.kept:
                    self._record.request_body(piece)
        if policy.timeouts.total_s:
            self.stops_at = self.started_at + policy.timeouts.total_s
        if lane.has_fallback:
            self.chain_at = self.started_at + policy.fallback.total_s
        if self.head.expects_continue and not self.has_body_ended and not self.kept:
            self.front.write(CONTINUE)
        if lane.is_away:
            away = Unavailable("the service is away", retry_after_s=5.0, code="SERVICE_AWAY")
            self._failed("connect", away, asked=False)
        else:
            self._go()

    # ---------------------------------------------------------------- parts

    def _is_for_run(self) -> bool:
        """Whether the whole body is kept, because it becomes the input of a run."""
        return self.lane.legs[0].pool is None

    def _pass_on(self, data: bytes) -> None:
        upstream = self.upstream
        if upstream is None:
            return
        upstream.wire.write(chunk(data) if self.head.body_length is None else data)
        if self.is_whole:
            self._keep_less()
        if self.state == SENT:
            self.deadline = min(self._within(self.lane.policy.timeouts.first_byte_s), self.chain_at)

    def _let_go(self) -> None:
        """The upstream of the present attempt has nothing more to say."""
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.home.drop(upstream)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes", extra={"limit_bytes": limit})
