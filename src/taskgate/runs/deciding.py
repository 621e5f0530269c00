"""One decision about one run: what was seen, what happened, and the ways out of it.

The rules of `lifecycle` in code. Nothing here reads a clock or a store; `now` and `rng` are given.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from msgspec.structs import replace

from taskgate.runs.chain import advance_at, chain_of, queue_of
from taskgate.runs.happenings import (
    CancelAsked,
    Event,
    Failed,
    HolderLost,
    LeaseExpired,
    Refused,
    Stale,
    Succeeded,
    TimerPassed,
    Undefined,
)
from taskgate.runs.ports import AttemptEnd, Move
from taskgate.runs.retry import pause_s
from taskgate.runs.run import ENDED, Outcome, Run, RunError, Status
from taskgate.runs.task import QueueKey, TaskDefinition

LOSSES_OUT = 3
UNSTARTED_OUT = 10
SOON_S = 0.01
INFRASTRUCTURE = frozenset({"crash", "lost"})


class Decision:
    """One decision about one run: what was seen, and the ways out of it."""

    def __init__(self, run: Run, definition: TaskDefinition, *, now: float, rng: Random) -> None:
        self.run = run
        self.chain = chain_of(definition)
        self.definition = definition
        self.now = now
        self.rng = rng
        accepted = run.lease is not None and run.lease.accepted
        self.tries_before = run.tries - (1 if accepted else 0)
        self.begun = accepted

    def on(self, event: Event) -> Move | Stale:
        """The move that the event makes, or Stale."""
        return _WAYS[type(event)](self, event)

    # ---------------------------------------------------------------- what a holder says

    def _succeeded(self, event: Succeeded) -> Move:
        return self._ended(
            Status.SUCCEEDED,
            tries=self.tries_before + 1,
            end=self._end(Outcome.SUCCEEDED, started_at=event.started_at or self.now),
            output=event.output,
            digest=event.digest,
        )

    def _failed(self, event: Failed) -> Move:
        error = event.error
        if error.error_class in INFRASTRUCTURE:
            return self._lost(error, started_at=event.started_at, digest=event.digest)
        tries = self.tries_before + 1
        outcome = Outcome.TIMED_OUT if error.error_class == "timeout" else Outcome.FAILED
        end = self._end(outcome, error=error, response=event.response, started_at=event.started_at or self.now)
        target = self.chain[self.run.chain_position]
        if not error.retryable:
            return self._next_target(end, error, "the error is not retryable", digest=event.digest)
        if tries > target.retries:
            return self._next_target(end, error, f"{tries} tries are used up", digest=event.digest)
        wait_s = pause_s(target, tries, retry_at=error.retry_at, now=self.now, rng=self.rng)
        if _passed(self.run.advance_at, self.now + wait_s):
            return self._next_target(end, error, "advance_after_s passes before the retry", digest=event.digest)
        return self._again(replace(end, moved_on_because=f"retry in {wait_s:.2f} s"), wait_s=wait_s, tries=tries)

    def _refused(self, event: Refused) -> Move:
        if self.begun:
            return self._lost(RunError(code="WORKER_LOST", message=f"given back: {event.reason}", error_class="lost"))
        end = self._end(Outcome.REFUSED, because=event.reason)
        if event.reason == "busy":
            return self._offered_again(end, unstarted=self.run.unstarted_count)
        return self._unstarted(end)

    # ---------------------------------------------------------------- what happens to a holder

    def _expired(self, _: LeaseExpired) -> Move | Stale:
        lease = self.run.lease
        if lease is None or lease.expires_at > self.now:
            return Stale("the lease has not passed")
        if not self.begun:
            move = self._unstarted(self._end(Outcome.NOT_STARTED, because="the offer was not accepted in time"))
        else:
            message = "the holder stopped renewing its lease"
            move = self._lost(RunError(code="HEARTBEAT_TIMEOUT", message=message, error_class="lost"))
        return replace(move, lease_expires_at=lease.expires_at)

    def _holder_lost(self, event: HolderLost) -> Move:
        if not (event.begun or self.begun):
            return self._unstarted(self._end(Outcome.NOT_STARTED, because=event.reason))
        error = RunError(code="WORKER_LOST", message=event.reason, error_class="lost")
        return self._lost(error, started_at=event.started_at)

    def _lost(self, error: RunError, *, started_at: float | None = None, digest: str = "") -> Move:
        count = self.run.lost_count + 1
        end = self._end(Outcome.WORKER_LOST, error=error, started_at=started_at)
        if count >= LOSSES_OUT:
            return self._next_target(end, error, f"{count} holders were lost", digest=digest, lost=count)
        return self._again(replace(end, moved_on_because=error.code), tries=self.tries_before, lost=count)

    def _unstarted(self, end: AttemptEnd) -> Move:
        count = self.run.unstarted_count + 1
        if count < UNSTARTED_OUT:
            return self._offered_again(end, unstarted=count)
        tries = self.tries_before + 1
        if tries > self.chain[self.run.chain_position].retries:
            error = RunError(code="NOT_STARTED", message=f"{count} offers in a row were not begun")
            return self._next_target(end, error, error.message)
        return self._again(end, tries=tries)

    # ---------------------------------------------------------------- callers and time

    def _cancelled(self, _: CancelAsked) -> Move:
        error = RunError(code="CANCELLED", message="cancelled by a caller", retryable=False, error_class="cancelled")
        end = self._end(Outcome.CANCELLED) if self.run.status is Status.RUNNING else None
        return self._ended(Status.CANCELLED, end=end, error=error)

    def _timer_passed(self, _: TimerPassed) -> Move | Stale:
        run, now = self.run, self.now
        if _passed(run.deadline_at, now):
            error = RunError(code="TOTAL_DEADLINE", message="the total deadline passed", error_class="timeout")
            end = self._end(Outcome.TIMED_OUT, error=error) if run.status is Status.RUNNING else None
            return self._ended(Status.TIMED_OUT, end=end, error=error)
        if run.status is Status.SCHEDULED:
            return self._requeued() if _passed(run.due_at, now) else Stale("not due yet")
        because = "advance_after_s passed"
        if _passed(run.advance_at, now):
            error = RunError(code="ADVANCED", message=because)
            end = self._end(Outcome.TIMED_OUT, error=error) if run.status is Status.RUNNING else None
            return self._next_target(end, error, because)
        if run.status is Status.QUEUED and _passed(run.start_by_at, now):
            error = RunError(code="SCHEDULE_TO_START_TIMEOUT", message="nobody began it in time", error_class="timeout")
            return self._next_target(None, error, error.message)
        return Stale("no timer has passed")

    def _undefined(self, _: Undefined) -> Move:
        message = f"the definition {self.run.definition} of this run is lost"
        error = RunError(code="DEFINITION_LOST", message=message, retryable=False)
        end = self._end(Outcome.FAILED, error=error) if self.run.status is Status.RUNNING else None
        return self._ended(Status.FAILED, end=end, error=error)

    # ---------------------------------------------------------------- the ways out

    def _end(
        self,
        outcome: Outcome,
        *,
        error: RunError | None = None,
        response: bytes | None = None,
        started_at: float | None = None,
        because: str = "",
    ) -> AttemptEnd:
        return AttemptEnd(
            outcome=outcome,
            ended_at=self.now,
            started_at=started_at,
            error=error,
            response=response,
            moved_on_because=because,
        )

    def _again(
        self, end: AttemptEnd, *, wait_s: float = 0.0, tries: int = 0, lost: int | None = None, unstarted: int = 0
    ) -> Move:
        """The same target once more, now or after a pause."""
        run = self.run
        waits = wait_s > SOON_S
        return self._move(
            Status.SCHEDULED if waits else Status.QUEUED,
            end=end,
            tries=tries,
            lost_count=run.lost_count if lost is None else lost,
            unstarted_count=unstarted,
            due_at=self.now + wait_s if waits else None,
            start_by_at=None if waits else self._start_by(),
            advance_at=run.advance_at,
        )

    def _offered_again(self, end: AttemptEnd, *, unstarted: int) -> Move:
        """The same target at once, as if this offer had not been: its schedule-to-start limit runs on."""
        move = self._again(end, tries=self.tries_before, unstarted=unstarted)
        return replace(move, start_by_at=self.run.start_by_at)

    def _requeued(self) -> Move:
        """The pause is over."""
        run = self.run
        return self._move(
            Status.QUEUED,
            tries=run.tries,
            lost_count=run.lost_count,
            unstarted_count=run.unstarted_count,
            start_by_at=self._start_by(),
            advance_at=run.advance_at,
        )

    def _next_target(
        self, end: AttemptEnd | None, error: RunError, because: str, *, digest: str = "", lost: int | None = None
    ) -> Move:
        """One step along the chain, or the end of it."""
        position = self.run.chain_position + 1
        if end is not None:
            end = replace(end, moved_on_because=because)
        if position >= len(self.chain):
            tries = self._tries_now(end)
            return self._ended(Status.FAILED, end=end, error=error, tries=tries, lost=lost, digest=digest)
        return self._move(
            Status.QUEUED,
            end=end,
            chain_position=position,
            queue=queue_of(self.run.task, self.chain[position], version=self.run.version),
            start_by_at=self._start_by(),
            advance_at=advance_at(self.chain, position, now=self.now),
        )

    def _ended(
        self,
        status: Status,
        *,
        end: AttemptEnd | None = None,
        error: RunError | None = None,
        output: bytes | None = None,
        tries: int | None = None,
        lost: int | None = None,
        digest: str = "",
    ) -> Move:
        return self._move(
            status,
            end=end,
            tries=self.run.tries if tries is None else tries,
            lost_count=self.run.lost_count if lost is None else lost,
            unstarted_count=self.run.unstarted_count,
            output=output,
            error=error,
            result_digest=digest,
        )

    def _move(
        self,
        status: Status,
        *,
        end: AttemptEnd | None = None,
        tries: int = 0,
        lost_count: int = 0,
        unstarted_count: int = 0,
        chain_position: int | None = None,
        queue: QueueKey | None = None,
        due_at: float | None = None,
        start_by_at: float | None = None,
        advance_at: float | None = None,
        output: bytes | None = None,
        error: RunError | None = None,
        result_digest: str = "",
    ) -> Move:
        run = self.run
        return Move(
            run_id=run.id,
            from_statuses=frozenset({run.status}),
            attempt=run.attempt,
            from_position=run.chain_position,
            token=run.lease.token if run.lease is not None else None,
            status=status,
            chain_position=run.chain_position if chain_position is None else chain_position,
            tries=tries,
            lost_count=lost_count,
            unstarted_count=unstarted_count,
            queue=queue or run.queue,
            due_at=due_at,
            start_by_at=start_by_at,
            advance_at=advance_at,
            started_at=run.started_at or (end.started_at if end is not None else None),
            ended_at=self.now if status in ENDED else None,
            output=output,
            error=error,
            result_digest=result_digest,
            end=end,
        )

    def _start_by(self) -> float | None:
        limit_s = self.definition.limits.schedule_to_start_s
        return None if limit_s is None else self.now + limit_s

    def _tries_now(self, end: AttemptEnd | None) -> int:
        counts = end is not None and end.outcome in (Outcome.FAILED, Outcome.TIMED_OUT)
        return self.tries_before + (1 if counts else 0)


_WAYS: dict[type[Event], Callable[[Decision, Any], Move | Stale]] = {
    Succeeded: Decision._succeeded,
    Failed: Decision._failed,
    LeaseExpired: Decision._expired,
    HolderLost: Decision._holder_lost,
    Refused: Decision._refused,
    CancelAsked: Decision._cancelled,
    TimerPassed: Decision._timer_passed,
    Undefined: Decision._undefined,
}


def _passed(at: float | None, now: float) -> bool:
    return at is not None and at <= now
