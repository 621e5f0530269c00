"""Where a run stands on its chain, and the run after a move.

Pure; shared by whoever makes, moves or shows a run.
"""

from __future__ import annotations

from msgspec.structs import replace

from taskgate.runs.ports import AttemptEnd, Move
from taskgate.runs.run import ENDED, Attempt, Run
from taskgate.runs.task import QueueKey, Target, TaskDefinition

IMPLICIT = Target(kind="workers")
SERVICE_PREFIX = "service/"


def chain_of(definition: TaskDefinition) -> list[Target]:
    """The targets in order; a definition without any has workers alone."""
    return definition.targets or [IMPLICIT]


def queue_of(task: str, target: Target, *, version: str) -> QueueKey:
    """The queue of a run that stands on this target; `version` is the one it is pinned to, "" for any."""
    if target.kind == "http":
        return service_queue(target.service)
    return QueueKey(task=task, version=version, labels=tuple(sorted(target.labels.items())))


def service_queue(service: str) -> QueueKey:
    """The queue of all runs that wait for this service."""
    return QueueKey(task=SERVICE_PREFIX + service)


def advance_at(chain: list[Target], position: int, *, now: float) -> float | None:
    """When a run that comes to this position at `now` leaves it again by itself; None on the last target."""
    after_s = chain[position].advance_after_s
    return None if after_s is None or position + 1 >= len(chain) else now + after_s


def moved(run: Run, move: Move) -> Run:
    """The run as it stands after the move was applied."""
    goes_on = move.status not in ENDED
    current = run.current
    if current is not None and move.end is not None:
        current = _closed(current, move.end)
    return replace(
        run,
        queue=move.queue,
        status=move.status,
        chain_position=move.chain_position,
        tries=move.tries,
        lost_count=move.lost_count,
        unstarted_count=move.unstarted_count,
        lease=None,
        current=None if goes_on else current,
        attempts=(*run.attempts, current) if goes_on and current is not None else run.attempts,
        due_at=move.due_at,
        start_by_at=move.start_by_at,
        advance_at=move.advance_at,
        started_at=run.started_at or move.started_at,
        ended_at=move.ended_at,
        output=move.output,
        error=move.error,
        result_digest=move.result_digest,
    )


def _closed(attempt: Attempt, end: AttemptEnd) -> Attempt:
    return replace(
        attempt,
        started_at=attempt.started_at or end.started_at,
        ended_at=end.ended_at,
        outcome=end.outcome,
        error=end.error,
        response=end.response,
        moved_on_because=end.moved_on_because,
    )
