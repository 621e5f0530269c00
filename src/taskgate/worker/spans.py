"""What this worker did, as spans `worker.execute`: each below its attempt's, and above whatever its task tells itself.

The id of a span is made from the run and the attempt, so that the task knows it as its parent before it has ended.
Nothing waits for a collector: spans stand in a bounded queue, what finds no room or is refused is dropped and counted.
A trace that its caller did not sample is not told. Without an address nothing of OpenTelemetry is loaded.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from taskgate.lifespan import TaskSet
from taskgate.trace import Span, below, is_sampled, parent_span_of, span_of, trace_id_of
from taskgate.wire.messages import Task
from taskgate.worker.settings import WorkerSettings

QUEUE = 2048
BATCH = 256
FLUSH_S = 1.0
LAST_S = 2.0
VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_log = logging.getLogger(__name__)


Send = Callable[[Sequence[Span]], bool]


class Spans:
    """Tells spans in a thread of its own. `make` gives the function that sends them; None: nobody wants them."""

    def __init__(self, make: Callable[[], Send] | None, *, worker_id: str) -> None:
        self.dropped_count = 0
        self._make = make
        self._worker_id = worker_id
        self._waiting: deque[Span] = deque()
        self._tasks = TaskSet()
        self._send: Send | None = None

    def start(self) -> None:
        """Begin to tell."""
        if self._make is not None:
            self._tasks.spawn(self._tell(), name="spans")

    async def close(self) -> None:
        """Tell what waits, within `LAST_S`."""
        await self._tasks.close()
        try:
            async with asyncio.timeout(LAST_S):
                while self._waiting and self._make is not None:
                    await self._flush()
        except TimeoutError:
            self.dropped_count += len(self._waiting)

    def place_of(self, task: Task) -> str:
        """The traceparent that the task is given: below the span that will be told, else below its attempt's."""
        if self._make is None or not is_sampled(task.traceparent):
            return task.traceparent
        return below(task.traceparent, _id_of(task))

    def ended(self, task: Task, *, began_at: float, ended_at: float, error: str = "") -> None:
        """A try of this task is over; `error` is its code, "" when it went well."""
        if self._make is None or not is_sampled(task.traceparent):
            return
        if len(self._waiting) >= QUEUE:
            self.dropped_count += 1
            return
        span = Span(
            name="worker.execute",
            trace_id=trace_id_of(task.traceparent),
            span_id=_id_of(task),
            parent_id=parent_span_of(task.traceparent),
            began_at=began_at,
            ended_at=max(began_at, ended_at),
            error=error,
            attributes={
                "taskgate.run_id": task.run_id,
                "taskgate.attempt": task.attempt,
                "taskgate.task": task.capability,
                "taskgate.worker": self._worker_id,
            },
        )
        self._waiting.append(span)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            while self._waiting:
                await self._flush()

    async def _flush(self) -> None:
        batch = list(islice(self._waiting, BATCH))  # they leave when they are told: whoever stops this tells them again
        try:
            if self._send is None and self._make is not None:
                self._send = await asyncio.to_thread(self._make)
            is_told = self._send is not None and await asyncio.to_thread(self._send, batch)
        except Exception as error:  # whatever the exporter raises is no concern of a run
            _log.warning("spans cannot be told: %s", error)
            is_told = False
        for _ in batch:
            self._waiting.popleft()
        if not is_told:
            self.dropped_count += len(batch)


def spans_of(settings: WorkerSettings, worker_id: str) -> Spans:
    """Spans as the settings, or the standard variables, want them told."""
    if not settings.otlp_endpoint and not any(os.environ.get(name) for name in VARIABLES):
        return Spans(None, worker_id=worker_id)

    def make() -> Send:
        from taskgate.otlp import sender

        return sender(settings.otlp_endpoint, service="taskgate-worker")

    return Spans(make, worker_id=worker_id)


def _id_of(task: Task) -> str:
    return span_of(task.run_id, f"{task.attempt}/execute")
