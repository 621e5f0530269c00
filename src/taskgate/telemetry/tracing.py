"""Spans of runs: from the caller's trace to the accepted run, its attempts and its end.

A run carries the caller's `traceparent`. The ids of its spans are made from its own id (`trace.span_of`), so whoever
ends it, at whatever gateway and after whatever restart, tells the same spans; the worker gets its attempt's id as the
parent of what it does. A trace that its caller did not sample is not told.

Nothing here waits: spans go into a bounded queue, what finds no room is dropped and counted, and what the collector
refuses is dropped too. A run ends no later because a collector is away.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.events import RunAccepted, RunFinished
from taskgate.lifespan import TaskSet
from taskgate.runs.run import Attempt, Outcome, Run, Status
from taskgate.trace import Span, is_sampled, parent_span_of, span_of, trace_id_of

_log = logging.getLogger(__name__)
QUEUE = 4096
BATCH = 512
FLUSH_S = 1.0
LAST_S = 3.0
WELL = frozenset({Outcome.SUCCEEDED.value, Status.SUCCEEDED.value})


Send = Callable[[Sequence[Span]], bool]


class Tracer:
    """A part: tells spans to `send`, in a thread of its own. `dropped_count` are those that nobody was told."""

    def __init__(self, bus: Bus, clock: Clock, *, send: Callable[[], Send], ratio: float = 1.0) -> None:
        self.tasks = TaskSet()
        self._below = int(ratio * (1 << 56))
        self.dropped_count = 0
        self._clock = clock
        self._make = send
        self._waiting: deque[Span] = deque()
        self._news = asyncio.Event()
        self._is_well = True
        bus.subscribe(RunAccepted, self._accepted)
        bus.subscribe(RunFinished, self._finished)

    async def start(self) -> None:
        """Begin to tell."""
        self._send = await asyncio.to_thread(self._make)
        self.tasks.spawn(self._tell(), name="spans")

    async def stop(self) -> None:
        """Tell what waits, within `LAST_S`."""
        await self.tasks.close()
        try:
            async with asyncio.timeout(LAST_S):
                while self._waiting:
                    await self._flush()
        except TimeoutError:
            self.dropped_count += len(self._waiting)

    def tells(self, traceparent: str) -> bool:
        """Whether this trace is told: its caller wants it, and its id is among the fraction; the same at every gateway
        (the last 56 bits of a trace id are random, W3C Trace Context Level 2)."""
        return is_sampled(traceparent) and int(traceparent[21:35], 16) < self._below

    def add(self, span: Span) -> None:
        """Have a span told some time."""
        if len(self._waiting) >= QUEUE:
            self.dropped_count += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH:
            self._news.set()

    def _accepted(self, event: RunAccepted) -> None:
        run: Run = event.run
        if self.tells(run.traceparent):
            ended_at = max(run.created_at, self._clock.now())
            self.add(
                _span(run, "gateway.submit", span_of(run.id, "submit"), began_at=run.created_at, ended_at=ended_at)
            )

    def _finished(self, event: RunFinished) -> None:
        run: Run = event.run
        if not self.tells(run.traceparent):
            return
        ended_at = run.ended_at or self._clock.now()
        error = "" if run.status.value in WELL else (run.error.code if run.error is not None else run.status.value)
        whole = _span(run, "run", span_of(run.id), began_at=run.created_at, ended_at=ended_at, error=error)
        self.add(whole)
        for attempt in (*run.attempts, *([run.current] if run.current is not None else [])):
            self.add(_of_attempt(run, attempt, ended_at=ended_at))

    async def _tell(self) -> None:
        while True:
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            while self._waiting:
                await self._flush()

    async def _flush(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            is_told = await asyncio.to_thread(self._send, batch)
        except Exception as error:  # whatever the exporter raises is no concern of a run
            _log.debug("spans were not told: %s", error)
            is_told = False
        if not is_told:
            self.dropped_count += len(batch)
        if is_told is not self._is_well:
            self._is_well = is_told
            _log.warning(
                "the collector of traces %s", "answers again" if is_told else "does not answer; spans are lost"
            )


def _span(run: Run, name: str, span_id: str, *, began_at: float, ended_at: float, error: str = "") -> Span:
    return Span(
        name=name,
        trace_id=trace_id_of(run.traceparent),
        span_id=span_id,
        parent_id=parent_span_of(run.traceparent),
        began_at=began_at,
        ended_at=ended_at,
        error=error,
        attributes={"taskgate.run_id": run.id, "taskgate.task": run.task, "taskgate.status": run.status.value},
    )


def _of_attempt(run: Run, attempt: Attempt, *, ended_at: float) -> Span:
    outcome = attempt.outcome.value if attempt.outcome is not None else ""
    error = "" if outcome in WELL else (attempt.error.code if attempt.error is not None else outcome or "unknown")
    return Span(
        name="attempt",
        trace_id=trace_id_of(run.traceparent),
        span_id=span_of(run.id, str(attempt.number)),
        parent_id=span_of(run.id),
        began_at=attempt.granted_at,
        ended_at=max(attempt.granted_at, attempt.ended_at or ended_at),
        error=error,
        attributes={
            "taskgate.run_id": run.id,
            "taskgate.attempt": attempt.number,
            "taskgate.target": attempt.target,
            "taskgate.holder": attempt.holder,
            "taskgate.outcome": outcome,
        },
    )
