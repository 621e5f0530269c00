"""`RunLedger.apply`: compare-and-set. What the guard does not fit changes nothing; what ended never changes.

INV-F1, INV-F3, INV-T4 and INV-T9: the guard is the store's whole share of the rules, and it has no gaps.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from taskgate.runs.ports import Applied, AttemptEnd, Move, Renewed
from taskgate.runs.run import ENDED, OPEN, Attempt, Outcome, Run, RunError, Status
from taskgate.runs.task import QueueKey
from taskgate.testing.stage import (
    LEASE_S,
    OFFER_S,
    RunStage,
    cancellation,
    failure,
    grant,
    move,
    renewal,
    requeueing,
    success,
)

APPLIED, REPLAYED, STALE = Applied.APPLIED, Applied.REPLAYED, Applied.STALE


def expiry(run: Run, at: float) -> Move:
    """What the janitor decides on a lease that it saw."""
    return requeueing(run, at, lease_expires_at=run.lease.expires_at if run.lease is not None else None)


class ApplyContract:
    """Fixture: `stage`."""

    async def test_a_result_ends_the_run(self, stage: RunStage) -> None:
        run = await stage.accepted()
        stage.clock.advance(2)
        now = stage.clock.now()
        assert await stage.ledger.apply([success(run, now, output=b'{"a":1}', digest="d1")]) == [APPLIED]
        ended = await stage.whole(run)
        assert (ended.status, ended.output, ended.result_digest, ended.ended_at) == (
            Status.SUCCEEDED,
            b'{"a":1}',
            "d1",
            now,
        )
        assert ended.lease is None
        assert ended.current is not None
        assert (ended.current.outcome, ended.current.ended_at) == (Outcome.SUCCEEDED, now)
        assert ended.attempts == ()
        assert (ended.started_at, ended.current.started_at) == (run.started_at, run.started_at)

    async def test_every_field_of_a_move_is_written(self, stage: RunStage) -> None:
        run, now = await stage.offered(advance_at=stage.clock.now() + 1), stage.clock.now()
        wanted = move(
            run,
            Status.SCHEDULED,
            from_statuses=frozenset({Status.RUNNING, Status.QUEUED}),
            chain_position=3,
            tries=4,
            lost_count=2,
            unstarted_count=5,
            queue=QueueKey(task="text.echo", version="v", labels=(("gpu", "1"),)),
            due_at=now + 7,
            start_by_at=now + 8,
            advance_at=now + 9,
            started_at=now + 0.125,
        )
        assert await stage.ledger.apply([wanted]) == [APPLIED]
        got = await stage.whole(run)
        for name in ("status", "chain_position", "tries", "lost_count", "unstarted_count", "queue", "due_at"):
            assert getattr(got, name) == getattr(wanted, name), name
        assert (got.start_by_at, got.advance_at, got.started_at) == (now + 8, now + 9, now + 0.125)
        assert (got.lease, got.current, got.attempt) == (None, None, 1)

    async def test_every_field_of_an_ended_attempt_is_written(self, stage: RunStage) -> None:
        run, now = await stage.offered(), stage.clock.now()
        error = RunError(code="ODD", message='say "ü"\n', retryable=False, error_class="timeout", retry_at=now + 1 / 3)
        end = AttemptEnd(
            outcome=Outcome.TIMED_OUT,
            ended_at=now + 0.5,
            started_at=now + 0.125,
            error=error,
            response=b'{"half":true}',
            moved_on_because="2 tries are used up",
        )
        await stage.ledger.apply([requeueing(run, now, end=end)])
        first = Attempt(
            number=1,
            target="workers",
            chain_position=0,
            holder="w1",
            granted_at=now,
            started_at=now + 0.125,
            ended_at=now + 0.5,
            outcome=Outcome.TIMED_OUT,
            error=error,
            response=b'{"half":true}',
            moved_on_because="2 tries are used up",
        )
        assert (await stage.whole(run)).attempts == (first,)

    async def test_timers_that_a_move_leaves_out_are_gone(self, stage: RunStage) -> None:
        now = stage.clock.now()
        run = await stage.added(start_by_at=now + 1, advance_at=now + 2, deadline_at=now + 3)
        await stage.ledger.apply([move(run, Status.SCHEDULED, due_at=now + 5, start_by_at=None, advance_at=None)])
        got = await stage.whole(run)
        assert (got.due_at, got.start_by_at, got.advance_at, got.deadline_at) == (now + 5, None, None, now + 3)
        await stage.ledger.apply([move(got, Status.QUEUED)])
        assert (await stage.whole(run)).due_at is None

    async def test_the_first_start_of_a_run_never_changes(self, stage: RunStage) -> None:
        """A decision may have been made before an accept was written (it is told late)."""
        offered = await stage.offered()
        await stage.ledger.renew([renewal(offered)])
        began_at = stage.clock.now()
        stage.clock.advance(1)
        await stage.ledger.apply([requeueing(offered, stage.clock.now())])
        assert (await stage.whole(offered)).started_at == began_at
        again = await stage.claimed(await stage.whole(offered))
        await stage.ledger.apply([success(again, stage.clock.now())])
        ended = await stage.whole(offered)
        assert ended.current is not None
        assert (ended.started_at, ended.current.started_at) == (began_at, began_at + 1)

    async def test_an_end_without_a_lease_has_no_last_attempt(self, stage: RunStage) -> None:
        run = await stage.accepted()
        await stage.ledger.apply([requeueing(run, stage.clock.now())])
        queued = await stage.whole(run)
        await stage.ledger.apply([cancellation(queued, stage.clock.now())])
        ended = await stage.whole(run)
        assert (ended.status, ended.current, ended.attempts) == (Status.CANCELLED, None, queued.attempts)

    async def test_a_large_batch_keeps_its_order(self, stage: RunStage) -> None:
        runs = [stage.run() for _ in range(300)]
        added = await stage.ledger.add(runs, {run.id: grant(token=run.id) for run in runs})
        now = stage.clock.now()
        moves = [success(item.run, now, digest=f"d{number}") for number, item in enumerate(added)]
        moves = [replace(m, token="guess") if number % 9 == 0 else m for number, m in enumerate(moves)]
        assert await stage.ledger.apply(moves) == [STALE if number % 9 == 0 else APPLIED for number in range(300)]
        assert await stage.ledger.apply([]) == []

    # ---------------------------------------------------------------- the guard (INV-F1)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"attempt": 2},
            {"attempt": 0},
            {"from_position": 1},
            {"token": "guess"},
            {"token": ""},
            {"from_statuses": frozenset({Status.QUEUED, Status.SCHEDULED})},
            {"from_statuses": ENDED},
            {"from_statuses": frozenset[Status]()},
            {"run_id": "01930000-0000-7000-8000-ffffffffffff"},
        ],
    )
    async def test_what_does_not_fit_changes_nothing(self, stage: RunStage, wrong: dict[str, Any]) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        for decided in (success(run, now), requeueing(run, now), cancellation(run, now)):
            assert await stage.ledger.apply([replace(decided, **wrong)]) == [STALE]
            assert await stage.whole(run) == run

    @pytest.mark.parametrize(
        "wrong", [{"token": "guess"}, {"attempt": 2}, {"from_position": 1}, {"lease_expires_at": 1.0}]
    )
    async def test_a_stale_move_leaves_no_trace_in_history(self, stage: RunStage, wrong: dict[str, Any]) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        assert await stage.ledger.apply([replace(requeueing(run, now + 9), **wrong)]) == [STALE]
        assert await stage.ledger.apply([requeueing(run, now)]) == [APPLIED]
        assert [attempt.ended_at for attempt in (await stage.whole(run)).attempts] == [now]

    async def test_a_move_without_a_token_is_guarded_by_the_attempt_alone(self, stage: RunStage) -> None:
        run = await stage.accepted()
        assert await stage.ledger.apply([replace(cancellation(run, stage.clock.now()), token=None)]) == [APPLIED]

    async def test_a_token_never_fits_a_run_without_a_lease(self, stage: RunStage) -> None:
        run = await stage.added()
        assert await stage.ledger.apply([move(run, Status.CANCELLED, token="any")]) == [STALE]

    async def test_a_move_may_leave_the_chain_out_of_its_guard(self, stage: RunStage) -> None:
        run = await stage.added()
        await stage.ledger.apply([move(run, Status.QUEUED, chain_position=1)])
        late = cancellation(run, stage.clock.now())
        assert await stage.ledger.apply([late, replace(late, from_position=None)]) == [STALE, APPLIED]

    async def test_any_of_the_named_states_fits(self, stage: RunStage) -> None:
        runs = [await stage.added(), await stage.offered()]
        moves = [replace(cancellation(run, stage.clock.now()), from_statuses=OPEN, attempt=run.attempt) for run in runs]
        assert await stage.ledger.apply(moves) == [APPLIED, APPLIED]

    async def test_a_result_after_expiry_wins_while_nobody_took_the_lease(self, stage: RunStage) -> None:
        run = await stage.accepted()
        stage.clock.advance(LEASE_S * 10)
        assert await stage.ledger.apply([success(run, stage.clock.now())]) == [APPLIED]

    async def test_the_second_of_two_moves_sees_the_first(self, stage: RunStage) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        assert await stage.ledger.apply([requeueing(run, now), success(run, now)]) == [APPLIED, STALE]
        assert (await stage.whole(run)).status is Status.QUEUED

    # ---------------------------------------------------------------- expiry

    async def test_an_expiry_takes_the_lease_that_it_saw(self, stage: RunStage) -> None:
        run = await stage.offered()
        stage.clock.advance(OFFER_S)
        assert await stage.ledger.apply([expiry(run, stage.clock.now())]) == [APPLIED]
        assert (await stage.whole(run)).status is Status.QUEUED

    async def test_a_renewal_that_came_first_keeps_the_lease(self, stage: RunStage) -> None:
        """INV-F4: the janitor saw the lease expired, its holder was told `held` since: the janitor is too late."""
        run = await stage.offered()
        stage.clock.advance(LEASE_S)
        (seen,) = await stage.ledger.expired(10)
        assert await stage.ledger.renew([renewal(run)]) == [Renewed.HELD]
        held = await stage.whole(run)
        assert await stage.ledger.apply([expiry(seen, stage.clock.now())]) == [STALE]
        stage.clock.advance(LEASE_S * 2)
        assert await stage.ledger.apply([expiry(seen, stage.clock.now())]) == [STALE]
        assert await stage.whole(run) == held
        assert await stage.ledger.apply([expiry(held, stage.clock.now())]) == [APPLIED]

    async def test_only_a_lease_can_expire(self, stage: RunStage) -> None:
        run = await stage.added()
        late = move(run, Status.CANCELLED, lease_expires_at=stage.clock.now())
        assert await stage.ledger.apply([late]) == [STALE]

    # ---------------------------------------------------------------- the end (INV-T4, INV-T9, INV-F1)

    async def test_the_same_result_again_is_a_success(self, stage: RunStage) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        assert await stage.ledger.apply([success(run, now), success(run, now)]) == [APPLIED, REPLAYED]
        ended = await stage.whole(run)
        stage.clock.advance(50)
        assert await stage.ledger.apply([success(run, stage.clock.now())]) == [REPLAYED]
        assert await stage.whole(run) == ended

    async def test_the_same_failure_again_is_a_success(self, stage: RunStage) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        assert await stage.ledger.apply([failure(run, now), failure(run, now)]) == [APPLIED, REPLAYED]

    @pytest.mark.parametrize(
        "wrong", [{"result_digest": "other"}, {"result_digest": ""}, {"attempt": 2}, {"status": Status.FAILED}]
    )
    async def test_another_result_is_stale(self, stage: RunStage, wrong: dict[str, Any]) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        await stage.ledger.apply([success(run, now)])
        ended = await stage.whole(run)
        assert await stage.ledger.apply([replace(success(run, now, output=b"2"), **wrong)]) == [STALE]
        assert await stage.whole(run) == ended

    async def test_no_digest_never_repeats(self, stage: RunStage) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        assert await stage.ledger.apply([cancellation(run, now), cancellation(run, now)]) == [APPLIED, STALE]

    async def test_a_result_that_led_to_a_retry_is_stale(self, stage: RunStage) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        decided = requeueing(run, now, result_digest="digest")
        assert await stage.ledger.apply([decided, decided]) == [APPLIED, STALE]

    @pytest.mark.parametrize("first", ["cancel", "result"])
    async def test_cancel_or_result_whichever_commits_first(self, stage: RunStage, first: str) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        moves = [cancellation(run, now), success(run, now)]
        ordered = moves if first == "cancel" else moves[::-1]
        assert await stage.ledger.apply(ordered) == [APPLIED, STALE]
        ended = await stage.whole(run)
        assert ended.status is (Status.CANCELLED if first == "cancel" else Status.SUCCEEDED)
        assert (ended.output is None) is (first == "cancel")

    @pytest.mark.parametrize("status", sorted(ENDED))
    async def test_an_ended_run_never_changes(self, stage: RunStage, status: Status) -> None:
        ended = await stage.ended(status)
        now = stage.clock.now() + 1
        for token in (None, "token-w1"):
            for target in Status:
                decided = move(ended, target, token=token, output=b"2", error=RunError(code="LATE"), ended_at=now)
                for states in (OPEN, ENDED, frozenset(Status)):
                    assert await stage.ledger.apply([replace(decided, from_statuses=states)]) == [STALE]
        assert await stage.whole(ended) == ended

    async def test_racing_results_have_one_winner(self, stage: RunStage) -> None:
        run, now = await stage.accepted(), stage.clock.now()
        moves = [success(run, now, output=str(n).encode(), digest=f"d{n}") for n in range(10)]
        answers = [answer[0] for answer in await asyncio.gather(*(stage.ledger.apply([m]) for m in moves))]
        assert sorted(answers) == [APPLIED] + [STALE] * 9
        assert (await stage.whole(run)).result_digest == moves[answers.index(APPLIED)].result_digest
