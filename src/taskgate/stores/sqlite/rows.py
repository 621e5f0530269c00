"""Runs to rows and back.

Rows come as one JSON document for however many, with their blobs end to end beside it (`sql/run_fields.sql`);
runs go as tuples of parameters in the order that each statement names. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import msgspec

from taskgate.runs.ports import AttemptEnd, Grant, Move
from taskgate.runs.run import Attempt, Lease, Run, RunError, Status, Tenant
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

LARGE = 2048  # bytes of input that a row carries; see `large_inputs`


class Row(msgspec.Struct, array_like=True):
    """A row of `runs` as read; the first members are those of `Run` under the same names."""

    id: str
    task: str
    version: str
    definition: str
    priority: int
    chain_position: int
    attempt: int
    tries: int
    lost_count: int
    unstarted_count: int
    created_at: float
    due_at: float | None
    start_by_at: float | None
    advance_at: float | None
    deadline_at: float | None
    timeout_s: float | None
    started_at: float | None
    ended_at: float | None
    stopped_at: float | None
    result_digest: str
    idempotency_key: str
    body_digest: str
    retry_of: str
    submitted_by: str
    traceparent: str
    site_id: str
    user_id: str
    app_id: str
    status: int
    labels: Pairs | None
    queue: str
    error: RunError | None
    token: str | None
    lease_expires_at: float | None
    accepted: int
    holder: str | None
    target: str | None
    granted_chain_position: int | None
    granted_at: float | None
    attempt_started_at: float | None
    attempt_ended_at: float | None
    outcome: int | None
    attempt_error: RunError | None
    moved_on_because: str | None
    input_size: int
    output_size: int | None
    request_size: int | None
    response_size: int | None


class AttemptRow(msgspec.Struct, array_like=True):
    """A row of `attempts` as read."""

    run_id: str
    number: int
    target: str
    chain_position: int
    holder: str
    granted_at: float
    started_at: float | None
    ended_at: float | None
    outcome: int | None
    error: RunError | None
    moved_on_because: str
    request_size: int | None
    response_size: int | None


_SAME = Row.__struct_fields__[: Row.__struct_fields__.index("site_id")]
_same_of_row = attrgetter(*_SAME)
_rows = msgspec.json.Decoder(list[Row])
_attempt_rows = msgspec.json.Decoder(list[AttemptRow])


class _Ribbon:
    """Blobs that were read end to end; `cut` gives the next one."""

    def __init__(self, blob: bytes | None) -> None:
        self._blob = blob or b""
        self._at = 0

    def cut(self, size: int | None) -> bytes | None:
        if size is None:
            return None
        start, self._at = self._at, self._at + size
        return self._blob[start : self._at]


def runs_of(read: tuple[Any, ...]) -> Iterator[Run]:
    """The runs of a row read with `run_fields`, without their earlier attempts."""
    document, inputs, outputs, requests, responses = read[0], *(_Ribbon(blob) for blob in read[1:5])
    for row in _rows.decode(document):
        request, response = requests.cut(row.request_size), responses.cut(row.response_size)
        lease = current = None
        if row.token is not None:
            lease = Lease(
                holder=row.holder or "",
                token=row.token,
                expires_at=row.lease_expires_at or 0.0,
                accepted=bool(row.accepted),
            )
        if row.holder is not None:
            current = _current(row, request, response)
        yield Run(
            **dict(zip(_SAME, _same_of_row(row), strict=True)),
            tenant=Tenant(site_id=row.site_id, user_id=row.user_id, app_id=row.app_id),
            labels=row.labels or (),
            queue=queue_of_text(row.queue),
            input=inputs.cut(row.input_size) or b"",
            status=STATUSES[row.status],
            lease=lease,
            current=current,
            output=outputs.cut(row.output_size),
            error=row.error,
        )


def _current(row: Row, request: bytes | None, response: bytes | None) -> Attempt:
    return Attempt(
        number=row.attempt,
        target=row.target or "",
        chain_position=row.granted_chain_position or 0,
        holder=row.holder or "",
        granted_at=row.granted_at or 0.0,
        started_at=row.attempt_started_at,
        ended_at=row.attempt_ended_at,
        outcome=None if row.outcome is None else OUTCOMES[row.outcome],
        error=row.attempt_error,
        request=request,
        response=response,
        moved_on_because=row.moved_on_because or "",
    )


def attempts_of(read: tuple[Any, ...]) -> dict[str, list[Attempt]]:
    """Earlier attempts by run id, oldest first."""
    document, requests, responses = read[0], _Ribbon(read[1]), _Ribbon(read[2])
    found: dict[str, list[Attempt]] = {}
    for row in _attempt_rows.decode(document):
        attempt = Attempt(
            number=row.number,
            target=row.target,
            chain_position=row.chain_position,
            holder=row.holder,
            granted_at=row.granted_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=None if row.outcome is None else OUTCOMES[row.outcome],
            error=row.error,
            request=requests.cut(row.request_size),
            response=responses.cut(row.response_size),
            moved_on_because=row.moved_on_because,
        )
        found.setdefault(row.run_id, []).append(attempt)
    return found


# ---------------------------------------------------------------- parameters

_asked = attrgetter(
    "id", "tenant.site_id", "tenant.user_id", "tenant.app_id", "task", "version", "definition", "priority",
    "created_at", "deadline_at", "timeout_s", "idempotency_key", "body_digest", "retry_of", "submitted_by",
    "traceparent", "chain_position", "due_at", "start_by_at", "advance_at",
)  # fmt: skip
_guarded = attrgetter("run_id", "attempt")
_pinned = attrgetter("lease_expires_at", "from_position")
_moved = attrgetter("chain_position", "tries", "lost_count", "unstarted_count")
_timed = attrgetter("due_at", "start_by_at", "advance_at", "started_at", "ended_at", "output")


def row_to_add(run: Run, grant: Grant | None, *, now: float) -> tuple[Any, ...]:
    """Parameters of `add`: a new run, leased at once where a grant came along."""
    labels = text_of(run.labels) if run.labels else None
    asked = (*_asked(run), labels, text_of_queue(run.queue))
    content = run.input if len(run.input) <= LARGE else None
    if grant is None or run.status is not Status.QUEUED:
        return (*asked, NUMBER_OF_STATUS[run.status], run.attempt, None, None, None, None, None, content)
    expires_at = now + grant.duration_s
    return (*asked, RUNNING, run.attempt + 1, grant.token, expires_at, grant.holder, grant.target, now, content)


def row_to_apply(move: Move) -> tuple[Any, ...]:
    """Parameters of `apply`."""
    return (
        *_guarded(move),
        mask_of(move.from_statuses),
        move.token,
        NUMBER_OF_STATUS[move.status],
        *_moved(move),
        text_of_queue(move.queue),
        *_timed(move),
        None if move.error is None else text_of(move.error),
        move.result_digest,
        *_end(move.end),
        *_pinned(move),
    )


def row_to_close(move: Move) -> tuple[Any, ...]:
    """Parameters of `close_attempts`."""
    return (*_guarded(move), mask_of(move.from_statuses), move.token, *_end(move.end), *_pinned(move))


def _end(end: AttemptEnd | None) -> tuple[Any, ...]:
    if end is None:
        return (None, None, None, None, None, None)
    error = None if end.error is None else text_of(end.error)
    return (NUMBER_OF_OUTCOME[end.outcome], end.ended_at, end.started_at, error, end.response, end.moved_on_because)
