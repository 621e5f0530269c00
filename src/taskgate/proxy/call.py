"""One forwarded call: what is known of it, what of its body is kept, and its one end.

States: COLLECTING (nothing chosen yet: queued, or who calls is being asked), CONNECTING (an upstream is chosen, its
connection is not there), READY (it is, and the body's first bytes are on their way), SENT, ANSWERING (a byte has gone
to the caller: nothing is tried again from here), RUNNING (the call has become a run), RELAYING (101), ENDED.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from functools import lru_cache
from typing import Any, cast

from taskgate.access import AccessNotes, EndedRequest
from taskgate.errors import Limited, Malformed, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.lifespan import TaskSet
from taskgate.proxy.lane import Lane
from taskgate.proxy.origins import Origins
from taskgate.proxy.pieces import Passing
from taskgate.proxy.pool import Asker
from taskgate.proxy.ports import CallTracing, Doorkeeper, Front, Head, RunDoor
from taskgate.proxy.recording import CallStart, OpenCall, Recording
from taskgate.proxy.refusal import ending, write_problem
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.tunnel import Relay
from taskgate.proxy.turn import NEVER
from taskgate.proxy.upstream import Upstream
from taskgate.proxy.vouching import Vouching
from taskgate.status import row_of
from taskgate.trace import request_id_of, traceparent_of

_log = logging.getLogger(__name__)
COLLECTING, CONNECTING, READY, SENT, ANSWERING, RUNNING, RELAYING, ENDED = range(8)
HOLD_BODY, HOLD_UPSTREAM = 1, 2
monotonic = time.monotonic


class Means:
    """What every call of a plane needs. `open_calls` have been let in and have not ended."""

    __slots__ = (
        "access", "door", "open_calls", "origins", "passing", "recording", "run_door", "settings", "tasks", "tracing",
        "vouching",
    )  # fmt: skip

    def __init__(
        self,
        settings: ProxySettings,
        *,
        door: Doorkeeper,
        run_door: RunDoor | None,
        recording: Recording | None,
        tasks: TaskSet,
        vouching: Vouching,
        origins: Origins,
    ) -> None:
        self.origins = origins
        self.vouching = vouching
        self.settings = settings
        self.door = door
        self.run_door = run_door
        self.recording = recording
        self.tasks = tasks
        self.tracing: CallTracing | None = None
        self.access: AccessNotes | None = None
        self.open_calls: set[Any] = set()
        self.passing = Passing(settings.pseudonym)

    def place_of(self, head: Head) -> tuple[str, str]:
        """Where a call stands in its trace: its traceparent, and its caller's span where that is told."""
        sent = head.special.get(b"traceparent")
        return (traceparent_of(sent), "") if self.tracing is None else self.tracing.begin(sent)


class Call:
    """The state of a call. `kept` is what of its body came so far, all of it while `is_whole`."""

    __slots__ = (
        "_record", "_task", "attempts", "body_bytes", "chain_at", "deadline", "front", "grant_lines", "has_body_ended",
        "head", "is_framed", "is_last", "is_paced", "is_queued", "is_restarted", "is_whole", "kept", "lane",
        "leg_number", "means", "out_bytes", "parent_span", "principal", "relay", "request_id", "retries", "sent_at",
        "started_at", "state", "status", "stops_at", "ticket", "traceparent", "upstream",
    )  # fmt: skip

    def __init__(
        self,
        means: Means,
        front: Front,
        *,
        head: Head,
        lane: Lane,
        principal: Principal | None = None,
    ) -> None:
        self.means = means
        self.front = front
        self.head = head
        self.lane = lane
        self.state = COLLECTING
        self.deadline = self.stops_at = self.chain_at = NEVER
        self.principal = principal
        self.upstream: Upstream | None = None
        self.relay: Relay | None = None
        self.kept: list[bytes] = []
        self.body_bytes = self.out_bytes = 0
        self.leg_number = self.attempts = self.retries = 0
        self.ticket = self.status = 0
        self.is_whole = True
        self.has_body_ended = head.body_length == 0
        self.is_restarted = False
        self.is_framed = False
        self.is_last = False
        self.is_queued = False
        self.is_paced = False
        self.started_at = self.sent_at = 0.0
        self.grant_lines = b""
        self._record: OpenCall | None = None
        self._task: asyncio.Task[Any] | None = None
        self.traceparent, self.parent_span = means.place_of(head)
        self.request_id = request_id_of(head.special.get(b"x-request-id"), self.traceparent)

    # ---------------------------------------------------------------- parts of every state

    def _within(self, seconds: float) -> float:
        """The moment at which this step has taken too long, or the whole call."""
        at = monotonic() + seconds
        return min(self.stops_at, at)

    def _begin_record(self, principal: Principal) -> None:
        recording, level = self.means.recording, self.lane.policy.record
        if recording is None or level == "none":
            return
        self._record = recording.begin(
            CallStart(
                level=level,
                service=self.lane.service.name,
                route=self.lane.route.name,
                request_id=self.request_id.decode("ascii"),
                site_id=principal.site_id,
                user_id=principal.user_id,
                principal=principal.id,
                method=self.head.method,
                target=self.head.target,
                headers=self.head.pairs,
            )
        )

    def _spawn(self, work: Coroutine[Any, Any, Any], *, then: Callable[[Any], None]) -> None:
        """Do something that waits; `then` is told what it gave, or its error, unless the call ends before."""

        def told(task: asyncio.Task[Any]) -> None:
            if not task.cancelled() and self._task is task:
                self._task = None
                then(task.result())

        self._task = self.means.tasks.spawn(_attended(work), name="proxied call")
        self._task.add_done_callback(told)

    def _refuse(self, error: TaskgateError) -> None:
        """The answer is an error of ours; where one has begun already, the caller sees it cut."""
        if self.state >= ANSWERING and self.state != RUNNING:
            self._cut(error.code)
            return
        keep_alive = self.head.keep_alive and self.has_body_ended and not self.front.is_stopping
        if isinstance(error, Malformed) or self.head.upgrade:
            keep_alive = False
        self.status = row_of(error).http
        lines = date_line(int(time.time())) + self.grant_lines
        if keep_alive:
            lines += ending(self.head, keep_alive=True)
        if self.attempts:
            lines += b"gateway-attempts: %d\r\n" % self.attempts
        answer = write_problem(
            error,
            instance=self.head.path,
            traceparent=self.traceparent,
            request_id=self.request_id,
            lines=lines,
            keep_alive=keep_alive,
            is_head=self.head.method == "HEAD",
        )
        counters = self.lane.counters
        counters.refused += self.attempts == 0
        counters.limited += self.attempts == 0 and isinstance(error, Limited)
        counters.failed += self.attempts > 0
        self._finish(error.code)
        self.front.write(answer)
        self.front.finished(keep_alive=keep_alive)

    def _cut(self, error: str) -> None:
        """An answer that has begun cannot be completed."""
        self.status = 0
        self._finish(error)
        self.front.abort()

    def _finish(self, error: str = "", *, run_id: str = "") -> None:
        """The one end of every call: nothing of it is left, and it is counted."""
        if self.state == ENDED:
            return
        if self.state == CONNECTING and (pool := self.lane.legs[self.leg_number].pool) is not None:
            pool.withdraw(cast(Asker, self))
        self.state = ENDED
        self.deadline = NEVER
        self.means.open_calls.discard(self)
        self.kept = []
        counters = self.lane.counters
        counters.bytes_in += self.body_bytes
        counters.bytes_out += self.out_bytes
        if self.started_at:
            counters.ended(self.status, monotonic() - self.started_at)
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.home.drop(upstream)
        if self.ticket:
            self._told_breaker(well=None)
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
        if self._record is not None:
            self._record.finish(self.status, error=error)
            self._record = None
        if self.means.tracing is not None:
            self._trace(self.means.tracing, error)
        if self.means.access is not None and self.started_at:
            self._note(self.means.access, error, run_id=run_id)

    def _note(self, access: AccessNotes, error: str, *, run_id: str) -> None:
        head, counters, principal = self.head, self.lane.counters, self.principal
        ended = EndedRequest(
            method=head.method,
            path=head.path,
            status=self.status,
            bytes_in=self.body_bytes,
            bytes_out=self.out_bytes,
            duration_s=monotonic() - self.started_at,
            request_id=self.request_id.decode("ascii"),
            route=counters.path,
            service=counters.service,
            principal="" if principal is None else principal.id,
            run_id=run_id,
            error=error,
        )
        access.told(ended)

    def _trace(self, tracing: CallTracing, error: str) -> None:
        counters = self.lane.counters
        tracing.ended(
            self.traceparent,
            self.parent_span,
            lasted_s=monotonic() - self.started_at if self.started_at else 0.0,
            status=self.status,
            error=error,
            attributes={
                "http.request.method": self.head.method,
                "http.route": counters.path,
                "taskgate.service": counters.service,
                "taskgate.attempts": self.attempts,
            },
        )

    def _told_breaker(self, *, well: bool | None, why: str = "") -> None:
        """The outcome of the present attempt for its breaker and its pool; None when nobody can tell."""
        ticket, self.ticket = self.ticket, 0
        leg = self.lane.legs[self.leg_number]
        breaker = leg.breaker
        if well is not None and leg.pool is not None:
            leg.pool.condition.note(well=well, why=why)
        if breaker is None or not ticket:
            return
        if well is None:
            breaker.abandoned(ticket, monotonic())
        elif well:
            breaker.succeeded(ticket, monotonic())
        else:
            breaker.failed(ticket, monotonic())


async def _attended(work: Coroutine[Any, Any, Any]) -> Any:
    """What it gives, or the error that ends it: a call that is refused is no death of a part."""
    try:
        return await work
    except TaskgateError as error:
        return error
    except Exception:
        _log.exception("a proxied call failed")
        return TaskgateError("something went wrong in the gateway; the trace id finds it in the logs")


@lru_cache(maxsize=2)
def date_line(second: int) -> bytes:
    """The Date of an answer of our own."""
    return f"date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")
