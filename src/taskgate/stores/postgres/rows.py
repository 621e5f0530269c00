"""Runs to rows and back.

Rows come in the order of `sql/run_fields.sql`; runs go as tuples of parameters in the order that each statement
names. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from taskgate.runs.ports import AttemptEnd, Claim, Grant, Move
from taskgate.runs.run import OPEN, Attempt, Lease, Run, RunError, Status, Tenant
from taskgate.stores.columns import (
    NUMBER_OF_OUTCOME,
    NUMBER_OF_STATUS,
    OUTCOMES,
    RUNNING,
    STATUSES,
    Pairs,
    mask_of,
    queue_of_text,
    text_of,
    text_of_queue,
)

RowOf = tuple[Any, ...]

_SAME = (
    "id", "task", "version", "definition", "priority", "chain_position", "attempt", "tries", "lost_count",
    "unstarted_count", "created_at", "due_at", "start_by_at", "advance_at", "deadline_at", "timeout_s", "started_at",
    "ended_at", "stopped_at", "result_digest", "idempotency_key", "body_digest", "retry_of", "submitted_by",
    "traceparent", "input", "output",
)  # fmt: skip
_WIDTH = len(_SAME)
_labels = msgspec.json.Decoder(Pairs)
_errors = msgspec.json.Decoder(RunError)


def run_of(record: Iterable[Any]) -> Run:
    """The run of a row read with `run_fields`, without its earlier attempts."""
    row = tuple(record)
    site_id, user_id, app_id, status, labels, queue, error, token, expires_at, accepted, *attempt = row[_WIDTH:]
    same = dict(zip(_SAME, row[:_WIDTH], strict=True))
    return Run(
        **same,
        tenant=Tenant(site_id=site_id, user_id=user_id, app_id=app_id),
        labels=_labels.decode(labels) if labels else (),
        queue=queue_of_text(queue),
        status=STATUSES[status],
        lease=None
        if token is None
        else Lease(holder=attempt[0] or "", token=token, expires_at=expires_at or 0.0, accepted=accepted),
        current=None if attempt[0] is None else _attempt(same["attempt"], attempt),
        error=_error(error),
    )


def attempts_of(records: Iterable[Any]) -> dict[str, list[Attempt]]:
    """Earlier attempts by run id, oldest first, from rows read with `attempts_of_ids`."""
    found: dict[str, list[Attempt]] = {}
    for run_id, number, *attempt in records:
        found.setdefault(run_id, []).append(_attempt(number, attempt))
    return found


def _attempt(number: int, row: Sequence[Any]) -> Attempt:
    (
        holder, target, chain_position, granted_at, started_at, ended_at, outcome, error, moved_on_because, request,
        response,
    ) = row  # fmt: skip
    return Attempt(
        number=number,
        target=target,
        chain_position=chain_position,
        holder=holder,
        granted_at=granted_at,
        started_at=started_at,
        ended_at=ended_at,
        outcome=None if outcome is None else OUTCOMES[outcome],
        error=_error(error),
        request=request,
        response=response,
        moved_on_because=moved_on_because or "",
    )


# ---------------------------------------------------------------- parameters

_asked = attrgetter(
    "id", "tenant.site_id", "tenant.user_id", "tenant.app_id", "task", "version", "definition", "priority",
    "created_at", "deadline_at", "timeout_s", "idempotency_key", "body_digest", "retry_of", "submitted_by",
    "traceparent", "chain_position", "due_at", "start_by_at", "advance_at", "input",
)  # fmt: skip
_moved = attrgetter("chain_position", "tries", "lost_count", "unstarted_count")
_timed = attrgetter("due_at", "start_by_at", "advance_at", "started_at", "ended_at", "output")
KEY_COLUMNS = (1, 4, 11)  # of `row_to_add`: site, task, idempotency key


def row_to_add(run: Run, grant: Grant | None) -> RowOf:
    """Parameters of `add`: a new run, leased at once where a grant came along."""
    labels = text_of(run.labels) if run.labels else None
    asked = (*_asked(run), labels, text_of_queue(run.queue))
    if grant is None or run.status is not Status.QUEUED:
        return (*asked, NUMBER_OF_STATUS[run.status], run.attempt, None, None, None, None)
    return (*asked, RUNNING, run.attempt + 1, grant.token, grant.duration_s, grant.holder, grant.target)


def row_to_claim(claim: Claim) -> RowOf:
    """Parameters of `claim`."""
    grant = claim.grant
    return (claim.run_id, grant.token, grant.duration_s, grant.holder, grant.target)


def row_to_apply(move: Move) -> RowOf:
    """Parameters of `apply`."""
    return (
        move.run_id,
        move.attempt,
        mask_of(move.from_statuses),
        move.token,
        move.lease_expires_at,
        move.from_position,
        NUMBER_OF_STATUS[move.status],
        *_moved(move),
        text_of_queue(move.queue),
        *_timed(move),
        None if move.error is None else text_of(move.error),
        move.result_digest,
        *_end(move.end),
    )


def goes_on(move: Move) -> bool:
    """Whether the move may end an attempt of a run that stays open: such an attempt is kept apart."""
    return move.status in OPEN and Status.RUNNING in move.from_statuses


def _end(end: AttemptEnd | None) -> RowOf:
    if end is None:
        return (None, None, None, None, None, None)
    error = None if end.error is None else text_of(end.error)
    return (NUMBER_OF_OUTCOME[end.outcome], end.ended_at, end.started_at, error, end.response, end.moved_on_because)


def _error(text: str | None) -> RunError | None:
    return None if text is None else _errors.decode(text)
