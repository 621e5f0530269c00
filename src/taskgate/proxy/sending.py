"""The way of a call to an upstream: which leg, a connection, the request, and what happens when that fails.

Before a byte of an answer has gone to the caller a call may be tried again: on a fresh connection where a kept one
turned out to be closed, on the same upstream within its budget (idempotent methods), then on the next leg. Past a
failed connect a method that is not idempotent goes nowhere else unless its route is `repeatable`. Every repetition
needs all of the body that came so far.
"""

from __future__ import annotations

import asyncio
from typing import Literal, cast

from taskgate.errors import TaskgateError, Unauthenticated, Unavailable, UpstreamSlow
from taskgate.proxy.call import (
    CONNECTING,
    ENDED,
    HOLD_BODY,
    READY,
    RUNNING,
    SENT,
    Call,
    monotonic,
)  # fmt: skip
from taskgate.proxy.lane import IDEMPOTENT, Leg
from taskgate.proxy.pieces import CHUNKED, LAST_CHUNK, UPGRADE, chunk
from taskgate.proxy.pool import Pool
from taskgate.proxy.ports import RunAnswer
from taskgate.proxy.refusal import ending, status_line
from taskgate.proxy.turn import NEVER
from taskgate.proxy.upstream import Hearer, Upstream

Failure = Literal["connect", "first_byte_timeout", "5xx"]


class Sending(Call):
    """A call that looks for its upstream."""

    __slots__ = ()

    def connected(self, upstream: Upstream) -> None:
        """The connection is there. A body that is just coming is waited for until the end of this turn of the loop, so
        that both leave in one write."""
        self.upstream = upstream
        upstream.begin(cast(Hearer, self), is_head=self.head.method == "HEAD", may_switch=self.head.upgrade != "")
        if self.is_paced:
            upstream.transport.pause_reading()
        if self.has_body_ended or self.kept:
            self._send()
        else:
            self.state = READY
            self.deadline = self._within(self.lane.policy.timeouts.first_byte_s)
            asyncio.get_running_loop().call_soon(self._send_waiting, upstream)

    def unreached(self, error: TaskgateError) -> None:
        """No connection can be had."""
        self._told_breaker(well=False, why=error.detail)
        self._failed("connect", error)

    def revoked(self) -> None:
        """The caller's key is good no more."""
        relay = self.relay
        if relay is not None:
            relay.cut()
        else:
            self._refuse(Unauthenticated("the credential has been revoked"))

    # ---------------------------------------------------------------- choosing

    def _go(self, *, fresh: bool = False) -> None:
        """Try the present leg."""
        leg = self.lane.legs[self.leg_number]
        if leg.pool is None:
            self._become_run(leg)
            return
        now = monotonic()
        if leg.breaker is not None:
            self.ticket = leg.breaker.admit(now)
            if not self.ticket:
                wait_s = leg.breaker.retry_after_s(now)
                detail = "the service fails and is left alone for a while"
                self._failed("connect", Unavailable(detail, retry_after_s=wait_s, code="UPSTREAM_OPEN"), asked=False)
                return
        if leg.budget is not None and self.retries == 0:
            leg.budget.note(now)
        self.attempts += 1
        if self._record is not None:
            self._record.attempt(leg.label)
        fresh = fresh or self.head.method not in IDEMPOTENT
        upstream = leg.pool.ready(now, fresh=fresh)
        if upstream is not None:
            self.connected(upstream)
        else:
            self._wait_for(leg.pool, fresh=fresh)

    def _wait_for(self, pool: Pool, *, fresh: bool) -> None:
        connect_s = self.lane.policy.timeouts.connect_s
        self.state = CONNECTING
        self.is_queued = pool.is_full
        wait_s = self.means.settings.pool_wait_s if self.is_queued else connect_s
        self.deadline = min(self._within(wait_s), self.chain_at)
        try:
            upstream = pool.take(self, fresh=fresh, connect_s=connect_s)
        except Unavailable as error:
            self._refuse(error)
            return
        if upstream is not None:
            self.connected(upstream)

    def _not_connected(self) -> None:
        """The deadline of waiting for a connection has passed."""
        pool = self.lane.legs[self.leg_number].pool
        assert pool is not None
        pool.withdraw(self)
        if self.is_queued:
            self._told_breaker(well=None)
            self._refuse(Unavailable("all connections to this service are in use", code="POOL_WAIT"))
        else:
            detail = "the service could not be connected to in time"
            self._told_breaker(well=False, why=detail)
            self._failed("connect", UpstreamSlow(detail, code="UPSTREAM_CONNECT_TIMEOUT"))

    # ---------------------------------------------------------------- failing

    def _failed(self, failure: Failure, error: TaskgateError, *, stale: bool = False, asked: bool = True) -> None:
        """The present attempt gave nothing. `stale`: a kept connection was closed before it could answer."""
        if self._record is not None and asked:
            self._record.attempt_ended(error=error.code, moved_on_because=failure)
        if self.state == ENDED:
            return
        now = monotonic()
        idempotent = self.head.method in IDEMPOTENT
        if now < self.chain_at and now < self.stops_at and self.is_whole:
            if stale and idempotent and not self.is_restarted:
                self.is_restarted = True
                self.lane.counters.retries += 1
                self._go(fresh=True)
                return
            if asked and idempotent and failure != "first_byte_timeout" and self._may_retry(now):
                self.retries += 1
                self.lane.counters.retries += 1
                self._go()
                return
            if self._may_advance(failure):
                self._advance()
                return
        self._refuse(error)

    def _may_retry(self, now: float) -> bool:
        leg = self.lane.legs[self.leg_number]
        return self.retries < self.lane.policy.retry.count and leg.budget is not None and leg.budget.take(now)

    def _may_advance(self, failure: Failure) -> bool:
        """Whether the chain has another leg for this failure."""
        lane = self.lane
        if self.leg_number + 1 >= len(lane.legs) or failure not in lane.policy.fallback.on:
            return False
        return failure == "connect" or self.head.method in IDEMPOTENT or lane.policy.repeatable

    def _advance(self) -> None:
        self.leg_number += 1
        self.retries = 0
        self.lane.counters.fallbacks += 1
        self._go()

    # ---------------------------------------------------------------- the request

    def _send_waiting(self, upstream: Upstream) -> None:
        if self.state == READY and self.upstream is upstream:
            self._send()

    def _send(self) -> None:
        """Write the head, and what of the body has come."""
        upstream = self.upstream
        assert upstream is not None
        self.state = SENT
        self.sent_at = now = monotonic()
        self.deadline = min(now + self.lane.policy.timeouts.first_byte_s, self.stops_at, self.chain_at)
        kept = self.kept
        if not kept and self.head.body_length == 0:
            upstream.wire.write(self._head_lines())
        elif self.head.body_length is None:
            framed = [chunk(piece) for piece in kept]
            upstream.wire.write(b"".join((self._head_lines(), *framed, LAST_CHUNK if self.has_body_ended else b"")))
        else:
            upstream.wire.write(b"".join((self._head_lines(), *kept)))
        if kept:
            self._keep_less()
            self.front.release(HOLD_BODY)

    def _keep_less(self) -> None:
        """Forget a body that is too large to be sent again."""
        if self.body_bytes > self.means.settings.replay_bytes:
            self.is_whole = False
            self.kept = []

    def _head_lines(self) -> bytes:
        """The head for the upstream: nothing of its framing is the caller's."""
        head, lane = self.head, self.lane
        leg = lane.legs[self.leg_number]
        special, principal, target = head.special, self.principal, leg.target
        assert principal is not None and target is not None  # noqa: PT018
        length = head.body_length
        if length:
            framing = b"content-length: %d\r\n" % length
        elif length is None:
            framing = CHUNKED
        else:
            framing = b"content-length: 0\r\n" if head.method in ("POST", "PUT", "PATCH") else b""
        state = special.get(b"tracestate")
        return b"".join(
            (
                head.method.encode("ascii"), b" ", target.write(head), leg.middle, head.lines,
                self.means.passing.forwarded(head, self.front.address), lane.prefix,
                b"x-request-id: ", self.request_id, b"\r\ntraceparent: ", self.traceparent.encode("ascii"), b"\r\n",
                b"tracestate: %b\r\n" % state if state is not None and b"traceparent" in special else b"",
                self.means.vouching.lines(leg.audience, principal, now=self.sent_at), self._credential_lines(),
                framing, UPGRADE if head.upgrade else b"", b"\r\n",
            )
        )  # fmt: skip

    def _credential_lines(self) -> bytes:
        """What the upstream gets to know of credentials; the caller's own go to the route's own upstream alone."""
        ready = self.lane.credential
        if ready is not None:
            return ready if self.leg_number == 0 else b""
        special = self.head.special
        names = (b"authorization", b"x-api-key") if self.leg_number == 0 else ()
        return b"".join(b"%b: %b\r\n" % (name, special[name]) for name in names if name in special)

    # ---------------------------------------------------------------- runs

    def _become_run(self, leg: Leg) -> None:
        """The call becomes a run as soon as its body is whole."""
        self.state = RUNNING
        self.deadline = self.chain_at
        self.front.release(HOLD_BODY)
        if self.has_body_ended:
            self._start_run(leg)

    def _start_run(self, leg: Leg) -> None:
        principal, run_door = self.principal, self.means.run_door
        if principal is None or run_door is None:
            self._refuse(Unavailable("runs are not taken here", code="NO_RUNS"))
            return
        self.attempts += 1
        if self._record is not None:
            self._record.attempt(leg.label)
        wait_s = self.lane.route.wait_s
        if self.chain_at < NEVER:
            wait_s = max(0.0, self.chain_at - monotonic())
        self.deadline = NEVER
        self._spawn(
            run_door.perform(
                principal,
                leg.task,
                body=b"".join(self.kept),
                key=self.request_id.decode("ascii"),
                wait_s=wait_s,
                traceparent=self.traceparent,
            ),
            then=self._run_ended,
        )

    def _run_ended(self, answer: RunAnswer | TaskgateError) -> None:
        if isinstance(answer, TaskgateError):
            self._refuse(answer)
            return
        keep_alive = self.head.keep_alive and not self.front.is_stopping
        self.status = answer.status
        self.out_bytes = len(answer.body)
        piece = b"".join(
            (
                status_line(answer.status), *(b"%b: %b\r\n" % pair for pair in answer.headers),
                b"content-length: %d\r\n" % len(answer.body), self.means.passing.via, self.grant_lines,
                b"x-request-id: ", self.request_id, b"\r\ngateway-attempts: %d\r\n" % self.attempts,
                ending(self.head, keep_alive=keep_alive), b"\r\n", b"" if self.head.method == "HEAD" else answer.body,
            )
        )  # fmt: skip
        self._finish(run_id="" if self.means.access is None else answer.run_id)
        self.front.write(piece)
        self.front.finished(keep_alive=keep_alive)
