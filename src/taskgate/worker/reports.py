"""From what happens in the pool to what is said on the link: accepts, numbered log lines, progress, results.

Log lines are numbered from 1 per stream of an attempt; progress is thinned to ten a second and run (a few more after
a pause), the last one always told. A result is kept on disk before it may leave. A run that the gateway ordered to stop
is answered with `stopped` and nothing else; one that was lost before it was accepted is not answered at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from taskgate.errors import LeaseLost
from taskgate.wire.messages import (
    EMPTY,
    Accept,
    LogLine,
    Progress,
    Refuse,
    Stopped,
    TaskResult,
    WorkerMessage,
)  # fmt: skip
from taskgate.wire.worker_link import WorkerLink
from taskgate.worker.answers import Answer
from taskgate.worker.assignment import Assignment
from taskgate.worker.frames import STREAMS, Progressed
from taskgate.worker.outbox import Outbox
from taskgate.worker.spans import Spans
from taskgate.worker.spool import Spool
from taskgate.worker.words import Words

PROGRESS_GAP_S = 0.1
PROGRESS_BURST = 5  # so many may come sooner: what says ten a second and was held up for a moment loses nothing
PROGRESS_CHARS = 4096
_error = msgspec.json.Decoder().decode


class Reports:
    """The pool's owner. `stopping` holds the runs that the gateway ordered to stop."""

    def __init__(self, link: WorkerLink, spool: Spool, *, wake: Callable[[], None], spans: Spans | None = None) -> None:
        self._spans = spans
        self.stopping: set[tuple[str, int]] = set()
        self.outbox = Outbox(lambda: link.log_room_bytes, self._send)
        self._link = link
        self._spool = spool
        self._wake = wake
        self._next_at: dict[tuple[str, int], float] = {}
        self._untold: dict[tuple[str, int], tuple[Assignment, Progressed]] = {}
        self._words = Words(self.outbox.put, wake=wake)

    def begun(self, assignment: Assignment) -> bool:
        task = assignment.task
        try:
            self._send(Accept(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token))
        except LeaseLost:
            return False
        return True

    def said(self, assignment: Assignment, stream: int, *, level: str, at: float, lines: list[str]) -> None:
        if assignment.key in self.stopping:
            return
        first = assignment.log_seqs[stream] + 1
        assignment.log_seqs[stream] += len(lines)
        numbered = [LogLine(seq=first + place, text=text, at=at, level=level) for place, text in enumerate(lines)]
        self._words.add(assignment, STREAMS[stream], lines=numbered)

    def progressed(self, assignment: Assignment, progressed: Progressed) -> None:
        key = assignment.key
        if key in self.stopping:
            return
        if not self._may_tell(key, time.monotonic()):
            self._untold[key] = (assignment, progressed)
            return
        self._untold.pop(key, None)
        self._tell(assignment, progressed)

    def ended(self, assignment: Assignment, answer: Answer, *, started_at: float, ended_at: float) -> None:
        key, task = assignment.key, assignment.task
        self._words.close()
        if self._spans is not None:
            self._spans.ended(task, began_at=started_at, ended_at=ended_at, error="" if answer.is_ok else answer.code)
        if self._next_at:
            self._tell_last(key)
        if key in self.stopping:
            self.stopped(assignment)
            return
        result = TaskResult(
            run_id=task.run_id,
            attempt=task.attempt,
            lease_token=task.lease_token,
            status="ok" if answer.is_ok else "error",
            result=msgspec.Raw(answer.body) if answer.is_ok else EMPTY,
            error=None if answer.is_ok else _error(answer.body),
            error_code=answer.code,
            error_class=answer.error_class,
            retryable=answer.retryable,
            retry_at=answer.retry_at,
            log_count=assignment.log_count,
            started_at=started_at,
            ended_at=ended_at,
        )
        self._spool.keep(result)
        if (run := self._link.runs.active.get(key)) is not None:
            run.rest()
        self.outbox.put(result)

    def stopped(self, assignment: Assignment) -> None:
        key, task = assignment.key, assignment.task
        if self._spans is not None and assignment.begun_at is not None and assignment.ending:
            now, spent_s = time.time(), time.monotonic() - assignment.begun_at
            self._spans.ended(task, began_at=now - spent_s, ended_at=now, error=assignment.ending.upper())
        self._words.close()
        self.outbox.forget(key)
        self._next_at.pop(key, None)
        self._untold.pop(key, None)
        if key in self.stopping:
            self.stopping.discard(key)
            self._send(Stopped(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token))

    def refused(self, assignment: Assignment, reason: str) -> None:
        task = assignment.task
        self._send(Refuse(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token, reason=reason))

    def changed(self) -> None:
        self._words.close()
        if self._untold:
            now = time.monotonic()
            for key in [key for key in self._untold if self._may_tell(key, now)]:
                self._tell(*self._untold.pop(key))
        self._wake()

    def _may_tell(self, key: tuple[str, int], now: float) -> bool:
        next_at = max(self._next_at.get(key, 0.0), now - PROGRESS_BURST * PROGRESS_GAP_S)
        if next_at > now:
            return False
        self._next_at[key] = next_at + PROGRESS_GAP_S
        return True

    def _tell_last(self, key: tuple[str, int]) -> None:
        self._next_at.pop(key, None)
        untold = self._untold.pop(key, None)
        if untold is not None and key not in self.stopping:
            self._tell(*untold)

    def _tell(self, assignment: Assignment, progressed: Progressed) -> None:
        task = assignment.task
        self._words.close()
        assignment.progress_seq += 1
        self.outbox.put(
            Progress(
                run_id=task.run_id,
                attempt=task.attempt,
                lease_token=task.lease_token,
                seq=assignment.progress_seq,
                fraction=progressed.fraction,
                text=progressed.text[:PROGRESS_CHARS],
                at=progressed.at,
            )
        )

    def _send(self, message: WorkerMessage) -> None:
        self._link.send(message, time.monotonic())
