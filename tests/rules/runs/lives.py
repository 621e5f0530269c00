"""Runs as `advance` sees them, and the steps that a ledger would make, without a ledger."""

from __future__ import annotations

from random import Random
from typing import Any

from msgspec.structs import replace

from taskgate.runs.chain import advance_at, chain_of, moved, queue_of
from taskgate.runs.happenings import Event, Stale
from taskgate.runs.lifecycle import advance
from taskgate.runs.ports import Move
from taskgate.runs.run import Attempt, Lease, Run, RunError, Status, Tenant
from taskgate.runs.task import Target, TaskDefinition, TaskLimits

NOW = 1_800_000_000.0
ALONE = TaskDefinition(name="t", targets=[Target(retries=3, backoff_s=1.0, backoff_max_s=300.0)])
TWO = TaskDefinition(
    name="t",
    targets=[Target(retries=1, backoff_s=1.0, advance_after_s=60.0), Target(retries=0, labels={"zone": "eu"})],
    limits=TaskLimits(schedule_to_start_s=30.0),
)


def queued(definition: TaskDefinition = ALONE, *, position: int = 0, **changes: Any) -> Run:
    """A queued run that stands at this position."""
    chain = chain_of(definition)
    limit_s = definition.limits.schedule_to_start_s
    plain = Run(
        id="r",
        tenant=Tenant(site_id="s"),
        task="t",
        definition="d",
        queue=queue_of("t", chain[position], version=""),
        input=b"1",
        status=Status.QUEUED,
        chain_position=position,
        created_at=NOW,
        start_by_at=None if limit_s is None else NOW + limit_s,
        advance_at=advance_at(chain, position, now=NOW),
    )
    return replace(plain, **changes)


def offered(definition: TaskDefinition = ALONE, *, position: int = 0, now: float = NOW, **changes: Any) -> Run:
    """A run under an offer of five seconds."""
    return leased(queued(definition, position=position, **changes), now)


def accepted(definition: TaskDefinition = ALONE, *, position: int = 0, now: float = NOW, **changes: Any) -> Run:
    """A run under an accepted lease of thirty seconds."""
    return renewed(offered(definition, position=position, now=now, **changes), now)


def leased(run: Run, now: float = NOW) -> Run:
    """As `claim` makes it."""
    number = run.attempt + 1
    current = Attempt(number=number, target="workers", chain_position=run.chain_position, holder="w", granted_at=now)
    lease = Lease(holder="w", token=f"t{number}", expires_at=now + 5)
    return replace(run, status=Status.RUNNING, attempt=number, lease=lease, current=current)


def renewed(run: Run, now: float = NOW) -> Run:
    """As the first renewal makes it."""
    assert run.lease is not None
    assert run.current is not None
    lease = replace(run.lease, accepted=True, expires_at=now + 30)
    current = replace(run.current, started_at=now)
    return replace(
        run, lease=lease, current=current, tries=run.tries + 1, unstarted_count=0, started_at=run.started_at or now
    )


def decide(
    run: Run, event: Event, *, definition: TaskDefinition = ALONE, now: float = NOW, rng: Random | None = None
) -> Move | Stale:
    """What `advance` says."""
    return advance(run, event, definition=definition, now=now, rng=rng or Random(1))


def happen(run: Run, event: Event, *, definition: TaskDefinition = ALONE, now: float = NOW) -> tuple[Run, Move]:
    """The run after the event, and the move that made it; the event must not be stale."""
    found = decide(run, event, definition=definition, now=now)
    assert isinstance(found, Move), found
    return moved(run, found), found


def broken(**changes: Any) -> RunError:
    """An ordinary error of a task."""
    return replace(RunError(code="BROKEN", message="it is broken"), **changes)
