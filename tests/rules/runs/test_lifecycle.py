"""What each event makes of a run: ends, counts, chains. Timers and races have files of their own."""

from __future__ import annotations

import pytest

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
)
from taskgate.runs.run import ENDED, Outcome, Run, RunError, Status
from taskgate.runs.task import Target, TaskDefinition
from tests.rules.runs.lives import ALONE, NOW, TWO, accepted, broken, decide, happen, leased, offered, queued, renewed

SUCCEEDED = Succeeded(output=b'"done"', digest="d", started_at=NOW + 1)
FAILED = Failed(error=broken(), digest="f", started_at=NOW + 1)
LOST = HolderLost(reason="its process was killed")


class TestEnds:
    @pytest.mark.parametrize("run", [offered(), accepted()], ids=["before its accept was written", "accepted"])
    def test_a_result_ends_the_run_and_its_attempt(self, run: Run) -> None:
        ended, move = happen(run, SUCCEEDED, now=NOW + 2)
        assert (ended.status, ended.output, ended.result_digest, ended.error) == (
            Status.SUCCEEDED,
            b'"done"',
            "d",
            None,
        )
        assert (ended.ended_at, ended.tries, ended.lease) == (NOW + 2, 1, None)
        assert ended.current is not None
        assert (ended.current.outcome, ended.current.ended_at) == (Outcome.SUCCEEDED, NOW + 2)
        assert ended.current.started_at == ended.started_at == (run.started_at or NOW + 1)
        assert (move.from_statuses, move.attempt, move.token) == (frozenset({Status.RUNNING}), 1, "t1")
        assert (move.due_at, move.start_by_at, move.advance_at) == (None, None, None)

    @pytest.mark.parametrize("run", [queued(status=Status.SCHEDULED, due_at=NOW + 9), queued(), offered(), accepted()])
    def test_a_cancel_ends_every_open_run(self, run: Run) -> None:
        """INV-T9: at once and for good, whoever holds it."""
        ended, move = happen(run, CancelAsked(), now=NOW + 3)
        assert (ended.status, ended.ended_at, ended.lease, ended.output) == (Status.CANCELLED, NOW + 3, None, None)
        assert ended.error is not None
        assert ended.error.code == "CANCELLED"
        assert (ended.tries, ended.attempt, move.result_digest) == (run.tries, run.attempt, "")
        outcome = ended.current.outcome if ended.current is not None else None
        assert outcome is (Outcome.CANCELLED if run.status is Status.RUNNING else None)

    @pytest.mark.parametrize("status", sorted(ENDED))
    @pytest.mark.parametrize(
        "event", [SUCCEEDED, FAILED, LOST, LeaseExpired(), Refused(reason="busy"), CancelAsked(), TimerPassed()]
    )
    def test_nothing_moves_an_ended_run(self, status: Status, event: Event) -> None:
        """INV-T4."""
        found = decide(queued(status=status, ended_at=NOW, result_digest="other", deadline_at=NOW), event, now=NOW + 99)
        assert isinstance(found, Stale)
        assert not found.is_repeat

    @pytest.mark.parametrize(("event", "digest"), [(SUCCEEDED, "d"), (FAILED, "f")])
    def test_the_result_that_ended_it_is_a_repeat(self, event: Event, digest: str) -> None:
        """INV-F1: the worker is told that its result stands."""
        found = decide(queued(status=Status.SUCCEEDED, ended_at=NOW, result_digest=digest), event)
        assert isinstance(found, Stale)
        assert found.is_repeat

    def test_no_digest_is_no_repeat(self) -> None:
        found = decide(queued(status=Status.CANCELLED, ended_at=NOW), Failed(error=broken()))
        assert isinstance(found, Stale)
        assert not found.is_repeat

    @pytest.mark.parametrize("event", [SUCCEEDED, FAILED, LOST, LeaseExpired(), Refused(reason="busy")])
    @pytest.mark.parametrize("run", [queued(), queued(status=Status.SCHEDULED, due_at=NOW + 9)])
    def test_what_nobody_holds_hears_no_holder(self, run: Run, event: Event) -> None:
        assert isinstance(decide(run, event), Stale)


class TestTries:
    def test_three_retries_are_four_tries(self) -> None:
        run = queued()
        for number in range(1, 5):
            run, _ = happen(renewed(leased(run)), FAILED)
            assert run.tries == number
            assert run.is_open is (number < 4)
        assert run.status is Status.FAILED
        assert run.error == broken()
        assert run.result_digest == "f"
        assert [attempt.outcome for attempt in run.attempts] == [Outcome.FAILED] * 3
        assert run.current is not None
        assert run.current.moved_on_because == "4 tries are used up"

    @pytest.mark.parametrize("is_written", [True, False])
    def test_a_try_counts_once_whether_or_not_its_accept_was_written(self, is_written: bool) -> None:
        run = accepted() if is_written else offered()
        assert happen(run, FAILED)[0].tries == 1

    def test_a_retry_pauses_and_says_so(self) -> None:
        run, move = happen(accepted(), FAILED)
        assert run.status is Status.SCHEDULED
        assert run.due_at is not None
        assert NOW < run.due_at <= NOW + 1
        assert (run.lease, run.current, run.error, run.result_digest) == (None, None, None, "")
        assert move.end is not None
        assert move.end.moved_on_because.startswith("retry in ")

    def test_no_pause_is_no_detour(self) -> None:
        definition = TaskDefinition(name="t", targets=[Target(retries=3, backoff_s=0.0)])
        run, _ = happen(accepted(definition), FAILED, definition=definition)
        assert (run.status, run.due_at) == (Status.QUEUED, None)

    @pytest.mark.parametrize(("retry_at", "due_at"), [(NOW + 77, NOW + 77), (NOW - 5, None), (NOW, None)])
    def test_the_task_may_say_when(self, retry_at: float, due_at: float | None) -> None:
        run, _ = happen(accepted(), Failed(error=broken(retry_at=retry_at)))
        assert (run.due_at, run.status) == (due_at, Status.QUEUED if due_at is None else Status.SCHEDULED)

    @pytest.mark.parametrize("code", ["OUTPUT_TOO_LARGE", "INVALID_INPUT"])
    def test_what_is_not_retryable_is_not_retried(self, code: str) -> None:
        error = broken(code=code, retryable=False, retry_at=NOW + 9)
        run, _ = happen(accepted(), Failed(error=error))
        assert (run.status, run.error) == (Status.FAILED, error)

    def test_a_timeout_of_one_try_is_a_try(self) -> None:
        error = broken(code="START_TO_CLOSE_TIMEOUT", error_class="timeout")
        run, move = happen(accepted(), Failed(error=error))
        assert (run.status, run.tries) == (Status.SCHEDULED, 1)
        assert move.end is not None
        assert (move.end.outcome, move.end.error) == (Outcome.TIMED_OUT, error)

    def test_what_the_target_answered_is_kept(self) -> None:
        run, _ = happen(accepted(), Failed(error=broken(), response=b'{"half":1}'))
        assert run.attempts[0].response == b'{"half":1}'


class TestLosses:
    """INV-T6, F21: infrastructure is counted apart, and poison ends too."""

    @pytest.mark.parametrize(
        ("event", "code"),
        [
            (LOST, "WORKER_LOST"),
            (LeaseExpired(), "HEARTBEAT_TIMEOUT"),
            (Failed(error=broken(code="TASK_CRASHED", error_class="crash")), "TASK_CRASHED"),
            (Failed(error=broken(code="TASK_LOST", error_class="lost")), "TASK_LOST"),
            (Refused(reason="draining"), "WORKER_LOST"),
        ],
    )
    def test_a_lost_holder_costs_no_try(self, event: Event, code: str) -> None:
        run, move = happen(accepted(tries=2), event, now=NOW + 30)
        assert (run.status, run.tries, run.lost_count) == (Status.QUEUED, 2, 1)
        assert move.end is not None
        assert move.end.error is not None
        assert (move.end.outcome, move.end.error.code, move.end.moved_on_because) == (Outcome.WORKER_LOST, code, code)

    def test_the_third_loss_ends_it_with_the_reason_kept(self) -> None:
        run = queued()
        for number in range(1, 4):
            run, _ = happen(renewed(leased(run)), LOST)
            assert run.lost_count == number
        assert run.status is Status.FAILED
        assert run.error == RunError(code="WORKER_LOST", message="its process was killed", error_class="lost")
        assert run.current is not None
        assert run.current.moved_on_because == "3 holders were lost"
        assert run.tries == 0

    def test_losses_and_tries_are_counted_apart(self) -> None:
        run = queued()
        for event in (LOST, FAILED, LOST, FAILED, FAILED):
            run, _ = happen(renewed(leased(run)), event)
        assert (run.tries, run.lost_count, run.is_open) == (3, 2, True)
        assert not happen(renewed(leased(run)), FAILED)[0].is_open
        assert not happen(renewed(leased(run)), LOST)[0].is_open

    def test_a_loss_before_the_accept_was_written_is_still_a_loss(self) -> None:
        run, move = happen(offered(), HolderLost(reason="bye", begun=True, started_at=NOW + 2))
        assert (run.lost_count, run.tries, run.unstarted_count) == (1, 0, 0)
        assert run.attempts[0].started_at == move.started_at == NOW + 2


class TestOffers:
    @pytest.mark.parametrize(
        ("event", "outcome"),
        [
            (LeaseExpired(), Outcome.NOT_STARTED),
            (HolderLost(reason="bye", begun=False), Outcome.NOT_STARTED),
            (Refused(reason="draining"), Outcome.REFUSED),
        ],
    )
    def test_an_offer_that_nobody_began_is_no_try(self, event: Event, outcome: Outcome) -> None:
        run, move = happen(offered(tries=1), event, now=NOW + 5)
        assert (run.status, run.tries, run.lost_count, run.unstarted_count) == (Status.QUEUED, 1, 0, 1)
        assert move.end is not None
        assert move.end.outcome is outcome
        assert move.end.started_at is None

    def test_the_tenth_in_a_row_counts_as_a_try(self) -> None:
        """Nothing circles for ever."""
        run = queued()
        for _ in range(9):
            run, _ = happen(leased(run), LeaseExpired(), now=NOW + 5)
        assert (run.tries, run.unstarted_count) == (0, 9)
        run, _ = happen(leased(run), LeaseExpired(), now=NOW + 5)
        assert (run.tries, run.unstarted_count, run.status) == (1, 0, Status.QUEUED)

    def test_forty_offers_that_nobody_begins_end_it(self) -> None:
        run = queued()
        for number in range(1, 41):
            assert run.is_open, number
            run, _ = happen(leased(run), LeaseExpired(), now=NOW + 5)
        assert run.status is Status.FAILED
        assert run.error is not None
        assert run.error.code == "NOT_STARTED"

    def test_busy_counts_nothing(self) -> None:
        run = queued(unstarted_count=4)
        for _ in range(50):
            run, _ = happen(leased(run), Refused(reason="busy"))
        assert (run.status, run.tries, run.unstarted_count, run.attempt) == (Status.QUEUED, 0, 4, 50)

    def test_a_begun_try_ends_the_row(self) -> None:
        run, _ = happen(offered(unstarted_count=9), FAILED)
        assert (run.tries, run.unstarted_count) == (1, 0)

    @pytest.mark.parametrize("event", [LeaseExpired(), Refused(reason="busy"), HolderLost(reason="bye", begun=False)])
    def test_the_schedule_to_start_limit_runs_on(self, event: Event) -> None:
        """Offers that nobody begins do not push the limit away."""
        run, _ = happen(offered(TWO), event, definition=TWO, now=NOW + 5)
        assert run.start_by_at == NOW + 30
        begun, _ = happen(accepted(TWO), LOST, definition=TWO, now=NOW + 5)
        assert begun.start_by_at == NOW + 35


class TestChain:
    def test_used_up_tries_move_on(self) -> None:
        run, move = happen(accepted(TWO, tries=1), FAILED, definition=TWO, now=NOW + 7)
        assert (run.status, run.chain_position, run.error) == (Status.QUEUED, 1, None)
        assert run.queue.labels == (("zone", "eu"),)
        assert (run.tries, run.lost_count, run.unstarted_count) == (0, 0, 0)
        assert (run.start_by_at, run.advance_at, run.due_at) == (NOW + 37, None, None)
        assert move.end is not None
        assert move.end.moved_on_because == "2 tries are used up"

    @pytest.mark.parametrize(
        "run_and_event",
        [
            (accepted(TWO), Failed(error=broken(retryable=False))),
            (accepted(TWO, lost_count=2), LOST),
            (accepted(TWO, lost_count=2), LeaseExpired()),
            (offered(TWO, unstarted_count=9, tries=1), LeaseExpired()),
        ],
    )
    def test_every_way_out_of_a_target_leads_to_the_next(self, run_and_event: tuple[Run, Event]) -> None:
        run, event = run_and_event
        moved_on, _ = happen(run, event, definition=TWO, now=NOW + 30)
        assert (moved_on.status, moved_on.chain_position) == (Status.QUEUED, 1)
        assert (moved_on.tries, moved_on.lost_count, moved_on.unstarted_count) == (0, 0, 0)

    def test_past_the_last_target_it_fails_with_the_last_error(self) -> None:
        run, _ = happen(accepted(TWO, position=1), FAILED, definition=TWO)
        assert (run.status, run.chain_position, run.error, run.tries) == (Status.FAILED, 1, broken(), 1)

    def test_a_task_without_targets_has_workers(self) -> None:
        bare = TaskDefinition(name="t")
        run, _ = happen(accepted(bare), FAILED, definition=bare)
        assert run.status is Status.SCHEDULED

    def test_a_retry_that_would_come_too_late_moves_on_at_once(self) -> None:
        error = broken(retry_at=NOW + 60)
        run, move = happen(accepted(TWO), Failed(error=error), definition=TWO, now=NOW + 1)
        assert (run.status, run.chain_position) == (Status.QUEUED, 1)
        assert move.end is not None
        assert move.end.moved_on_because == "advance_after_s passes before the retry"


def test_the_same_definition_decides_the_same() -> None:
    """Pure: the same view, event, moment and randomness give the same move."""
    assert decide(accepted(), FAILED) == decide(accepted(), FAILED)
    assert decide(accepted(), FAILED, definition=ALONE) != decide(accepted(), FAILED, now=NOW + 1)
