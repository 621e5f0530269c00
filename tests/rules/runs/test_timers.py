"""Which timer fires, in which state, and what it makes of the run."""

from __future__ import annotations

from typing import Any

import pytest

from taskgate.runs.happenings import LeaseExpired, Stale, TimerPassed
from taskgate.runs.run import Outcome, Run, Status
from taskgate.runs.task import TaskDefinition
from tests.rules.runs.lives import ALONE, NOW, TWO, accepted, decide, happen, offered, queued

TIMER = TimerPassed()


def scheduled(definition: TaskDefinition = TWO, **changes: Any) -> Run:
    return queued(definition, status=Status.SCHEDULED, **{"due_at": NOW + 9, **changes})


def test_a_due_run_is_queued_with_a_fresh_limit() -> None:
    """A gateway that was away for an hour has not used up the run's hour."""
    run, move = happen(scheduled(tries=1, lost_count=2, unstarted_count=3), TIMER, definition=TWO, now=NOW + 3600)
    assert (run.status, run.due_at, run.start_by_at) == (Status.QUEUED, None, NOW + 3630)
    assert (run.tries, run.lost_count, run.unstarted_count, run.advance_at) == (1, 2, 3, NOW + 60)
    assert (move.end, move.from_statuses, move.token) == (None, frozenset({Status.SCHEDULED}), None)


@pytest.mark.parametrize(
    ("run", "now"),
    [
        (scheduled(), NOW + 8.999),
        (scheduled(start_by_at=NOW, advance_at=NOW), NOW + 8.999),
        (queued(TWO), NOW + 29.999),
        (queued(ALONE, due_at=NOW), NOW + 9),
        (accepted(TWO), NOW + 59.999),
        (offered(TWO), NOW + 59.999),
        (queued(ALONE), NOW + 1e9),
    ],
)
def test_nothing_fires_early_or_elsewhere(run: Run, now: float) -> None:
    assert isinstance(decide(run, TIMER, definition=TWO, now=now), Stale)


@pytest.mark.parametrize("run", [scheduled(deadline_at=NOW + 5), queued(TWO, deadline_at=NOW + 5)])
def test_the_total_deadline_ends_what_waits(run: Run) -> None:
    ended, move = happen(run, TIMER, definition=TWO, now=NOW + 5)
    assert (ended.status, ended.ended_at, move.end, ended.current) == (Status.TIMED_OUT, NOW + 5, None, None)
    assert ended.error is not None
    assert ended.error.code == "TOTAL_DEADLINE"


@pytest.mark.parametrize("run", [offered(TWO, deadline_at=NOW + 5), accepted(TWO, deadline_at=NOW + 5)])
def test_the_total_deadline_ends_what_runs(run: Run) -> None:
    ended, _ = happen(run, TIMER, definition=TWO, now=NOW + 5)
    assert (ended.status, ended.lease) == (Status.TIMED_OUT, None)
    assert ended.current is not None
    assert (ended.current.outcome, ended.current.error) == (Outcome.TIMED_OUT, ended.error)


def test_the_deadline_goes_before_every_other_timer() -> None:
    every: dict[str, Any] = {"deadline_at": NOW + 2, "due_at": NOW + 1, "start_by_at": NOW + 1, "advance_at": NOW + 1}
    for status in (Status.SCHEDULED, Status.QUEUED):
        run, _ = happen(queued(TWO, status=status, **every), TIMER, definition=TWO, now=NOW + 2)
        assert run.status is Status.TIMED_OUT


def test_nobody_began_it_in_time() -> None:
    run, move = happen(queued(TWO), TIMER, definition=TWO, now=NOW + 30)
    assert (run.status, run.chain_position, run.start_by_at, move.end) == (Status.QUEUED, 1, NOW + 60, None)
    run, _ = happen(run, TIMER, definition=TWO, now=NOW + 60)
    assert run.status is Status.FAILED
    assert run.error is not None
    assert (run.error.code, run.error.error_class) == ("SCHEDULE_TO_START_TIMEOUT", "timeout")


@pytest.mark.parametrize("run", [queued(TWO, start_by_at=None), offered(TWO), accepted(TWO)])
def test_the_chain_moves_on_however_it_stands(run: Run) -> None:
    moved_on, move = happen(run, TIMER, definition=TWO, now=NOW + 60)
    assert (moved_on.status, moved_on.chain_position, moved_on.advance_at) == (Status.QUEUED, 1, None)
    assert moved_on.start_by_at == NOW + 90
    if run.status is Status.RUNNING:
        assert move.end is not None
        assert move.end.error is not None
        assert (move.end.outcome, move.end.error.code) == (Outcome.TIMED_OUT, "ADVANCED")
        assert move.end.moved_on_because == "advance_after_s passed"


@pytest.mark.parametrize(("after_s", "is_stale"), [(4.999, True), (5.0, False), (500.0, False)])
def test_a_lease_expires_at_its_moment(after_s: float, is_stale: bool) -> None:
    assert isinstance(decide(offered(), LeaseExpired(), now=NOW + after_s), Stale) is is_stale


def test_an_expiry_takes_only_the_lease_that_it_saw() -> None:
    _, move = happen(accepted(), LeaseExpired(), now=NOW + 31)
    assert (move.lease_expires_at, move.token, move.attempt, move.from_position) == (NOW + 30, "t1", 1, 0)
