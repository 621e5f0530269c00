"""Domain values into shapes.

Payload bytes are embedded as they are, never parsed again. Nothing here decides what a caller may see.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import Raw

from taskgate.edge.http import shapes
from taskgate.fleet.fleet import WorkerView
from taskgate.identity.ports import KeyRecord
from taskgate.journal.entry import Entry
from taskgate.runs.intake import Accepted
from taskgate.runs.run import Attempt, Outcome, Run, RunError
from taskgate.runs.task import SHARED, TaskDefinition

LAST_MOMENT = 253_402_300_799.0  # 9999-12-31T23:59:59Z


def moment(at: float) -> datetime:
    """Epoch seconds as a moment in UTC, encoded as RFC 3339; what no calendar holds is its last moment."""
    return datetime.fromtimestamp(min(LAST_MOMENT, at), UTC)


def moment_or_none(at: float | None) -> datetime | None:
    """Like `moment`, for a moment that may not have come."""
    return None if at is None else moment(at)


def run_shape(run: Run) -> shapes.RunShape:
    """A whole run with its attempts."""
    return shapes.RunShape(
        **_summary(run),
        input=Raw(run.input),
        output=None if run.output is None else Raw(run.output),
        attempts=[_attempt(run, attempt) for attempt in _all_attempts(run)],
    )


def run_summary(run: Run) -> shapes.RunSummary:
    """A run as it stands in lists."""
    return shapes.RunSummary(**_summary(run))


def _summary(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "task": run.task,
        "version": run.version,
        "status": run.status.value,
        "priority": run.priority,
        "error": _error(run.error),
        "chain_position": run.chain_position,
        "attempt_count": run.attempt,
        "tenant": shapes.TenantShape(site_id=run.tenant.site_id, user_id=run.tenant.user_id, app_id=run.tenant.app_id),
        "created_at": moment(run.created_at),
        "due_at": moment_or_none(run.due_at),
        "deadline_at": moment_or_none(run.deadline_at),
        "started_at": moment_or_none(run.started_at),
        "ended_at": moment_or_none(run.ended_at),
        "stopped_at": moment_or_none(run.stopped_at),
        "labels": dict(run.labels),
        "retry_of": run.retry_of,
    }


def _all_attempts(run: Run) -> tuple[Attempt, ...]:
    """Every attempt once, oldest first: the stored ones and the current one where it is not among them."""
    if run.current is None or any(attempt.number == run.current.number for attempt in run.attempts):
        return run.attempts
    return (*run.attempts, run.current)


def _attempt(run: Run, attempt: Attempt) -> shapes.AttemptShape:
    response = attempt.response
    if response is None and attempt.outcome is Outcome.SUCCEEDED:
        response = run.output
    return shapes.AttemptShape(
        number=attempt.number,
        target=attempt.target,
        chain_position=attempt.chain_position,
        holder=attempt.holder,
        granted_at=moment(attempt.granted_at),
        started_at=moment_or_none(attempt.started_at),
        ended_at=moment_or_none(attempt.ended_at),
        outcome=None if attempt.outcome is None else attempt.outcome.value,
        error=_error(attempt.error),
        request=Raw(run.input if attempt.request is None else attempt.request),
        response=None if response is None else Raw(response),
        moved_on_because=attempt.moved_on_because,
    )


def _error(error: RunError | None) -> shapes.ErrorShape | None:
    if error is None:
        return None
    return shapes.ErrorShape(code=error.code, message=error.message, retryable=error.retryable)


def epoch(at: datetime | float | None) -> float | None:
    """A moment that came in, as epoch seconds."""
    return at.timestamp() if isinstance(at, datetime) else at


def accepted_shape(accepted: Accepted) -> shapes.AcceptedShape:
    """What a submit answers."""
    run = accepted.run
    return shapes.AcceptedShape(
        id=run.id,
        task=run.task,
        version=run.version,
        status=run.status.value,
        created_at=moment(run.created_at),
        replayed=accepted.replayed,
    )


def entry_shape(entry: Entry) -> shapes.EntryShape:
    """A journal entry with its moment as text."""
    return shapes.EntryShape(
        seq=entry.seq,
        kind=entry.kind,
        at=moment(entry.at),
        text=entry.text,
        stream=entry.stream,
        level=entry.level,
        attempt=entry.attempt,
        fraction=entry.fraction,
        fields=entry.fields,
    )


def task_shape(definition: TaskDefinition) -> shapes.TaskShape:
    """A definition as callers see it."""
    return shapes.TaskShape(
        name=definition.name,
        version=definition.version,
        description=definition.description,
        input_schema=definition.input_schema,
        output_schema=definition.output_schema,
        examples=definition.examples,
        targets=definition.targets,
        limits=definition.limits,
        declared=definition.declared,
        shared=definition.site_id == SHARED,
    )


def worker_shape(view: WorkerView) -> shapes.WorkerShape:
    """A worker as callers see it."""
    return shapes.WorkerShape(
        id=view.id,
        kind=view.kind,
        transport=view.transport,
        site_id=view.site_id,
        tasks=list(view.tasks),
        labels=view.labels,
        slots=view.slots,
        running=view.running,
        load=view.load,
        status=view.status,
        last_heartbeat_at=moment_or_none(view.last_heartbeat_at),
        first_seen_at=moment_or_none(view.first_seen_at),
    )


def key_shape(record: KeyRecord) -> shapes.KeyShape:
    """A key without its secret."""
    return shapes.KeyShape(**_key(record))


def new_key_shape(record: KeyRecord, text: str) -> shapes.NewKeyShape:
    """A key with its text, once."""
    return shapes.NewKeyShape(**_key(record), key=text)


def _key(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "kind": record.kind,
        "last4": record.last4,
        "scopes": sorted(record.scopes),
        "site_id": record.site_id,
        "user_id": record.user_id,
        "app_id": record.app_id,
        "created_at": moment(record.created_at),
        "expires_at": moment_or_none(record.expires_at),
        "revoked_at": moment_or_none(record.revoked_at),
        "rotated_from": record.rotated_from,
        "prefixes": list(record.prefixes),
        "worker_id": record.worker_id,
    }
