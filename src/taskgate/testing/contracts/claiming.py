"""`RunLedger.claim`: only what is queued, only once, and the fence grows with every lease (INV-F2).

A claim takes nothing away from anybody: what is leased stays leased until a move ends it.
"""

from __future__ import annotations

import asyncio

import pytest

from taskgate.runs.ports import Applied, Renewed
from taskgate.runs.run import Outcome, Status
from taskgate.testing.stage import OFFER_S, RunStage, claim, grant, renewal, requeueing, success, token_of


class ClaimContract:
    """Fixture: `stage`."""

    async def test_a_queued_run_is_leased(self, stage: RunStage) -> None:
        run = await stage.added(start_by_at=stage.clock.now() + 60, advance_at=stage.clock.now() + 90)
        stage.clock.advance(2)
        leased = (await stage.ledger.claim([claim(run, "w2", token="secret")]))[0]
        now = stage.clock.now()
        assert leased is not None
        assert (leased.status, leased.attempt, leased.tries) == (Status.RUNNING, 1, 0)
        assert (leased.start_by_at, leased.advance_at) == (run.start_by_at, run.advance_at)
        assert leased.lease is not None
        assert (leased.lease.holder, leased.lease.token, leased.lease.accepted) == ("w2", "secret", False)
        assert leased.lease.expires_at == now + OFFER_S
        assert leased.current is not None
        assert (leased.current.number, leased.current.holder, leased.current.granted_at) == (1, "w2", now)
        assert (leased.current.target, leased.current.chain_position) == ("workers", 0)
        assert leased.current.outcome is None
        assert leased.started_at is None
        assert await stage.whole(run) == leased

    @pytest.mark.parametrize("status", list(Status))
    async def test_only_a_queued_run_is_leased(self, stage: RunStage, status: Status) -> None:
        if status is Status.SCHEDULED:
            run = await stage.added(status=status, due_at=stage.clock.now() + 60)
        elif status is Status.RUNNING:
            run = await stage.offered()
        elif status is Status.QUEUED:
            run = await stage.added()
        else:
            run = await stage.ended(status)
        leased = (await stage.ledger.claim([claim(run, "late", token="late")]))[0]
        assert (leased is not None) is (status is Status.QUEUED)
        if status is not Status.QUEUED:
            assert await stage.whole(run) == run

    async def test_an_expired_lease_is_not_claimed_over(self, stage: RunStage) -> None:
        """Taking a lease away is a decided move, never a side effect of a claim."""
        run = await stage.accepted()
        stage.clock.advance(3600)
        assert await stage.ledger.claim([claim(run, "late", token="late")]) == [None]

    async def test_an_unknown_run_is_refused(self, stage: RunStage) -> None:
        assert await stage.ledger.claim([claim(stage.run())]) == [None]
        assert await stage.ledger.claim([]) == []

    async def test_two_claims_of_one_batch(self, stage: RunStage) -> None:
        run = await stage.added()
        first, second = await stage.ledger.claim([claim(run, "w1", token="one"), claim(run, "w2", token="two")])
        assert first is not None
        assert (token_of(first), second) == ("one", None)
        assert await stage.whole(run) == first

    async def test_racing_claims_have_one_winner(self, stage: RunStage) -> None:
        runs = [await stage.added() for _ in range(5)]
        calls = [
            stage.ledger.claim([claim(run, f"w{number}", token=f"{run.id}-{number}") for run in runs])
            for number in range(8)
        ]
        answers = await asyncio.gather(*calls)
        for place, run in enumerate(runs):
            won = [answer[place] for answer in answers if answer[place] is not None]
            assert len(won) == 1
            assert won[0] == await stage.whole(run)

    async def test_a_large_batch_keeps_its_order(self, stage: RunStage) -> None:
        runs = [stage.run() for _ in range(300)]
        taken = runs[::7]
        await stage.ledger.add(runs, {run.id: grant(token=run.id) for run in taken})
        leased = await stage.ledger.claim([claim(run, "late") for run in reversed(runs)])
        expected = [None if run in taken else run.id for run in reversed(runs)]
        assert [run.id if run else None for run in leased] == expected

    async def test_the_fence_grows_and_history_is_kept(self, stage: RunStage) -> None:
        run = await stage.added()
        for number in range(1, 5):
            run = await stage.claimed(run, f"w{number}")
            assert run.attempt == number
            assert [attempt.number for attempt in run.attempts] == list(range(1, number))
            assert [attempt.holder for attempt in run.attempts] == [f"w{n}" for n in range(1, number)]
            await stage.ledger.apply([requeueing(run, stage.clock.now())])
            run = await stage.whole(run)
            assert (run.status, run.attempt, run.current, run.lease) == (Status.QUEUED, number, None, None)
            stage.clock.advance(1)
        assert {attempt.outcome for attempt in run.attempts} == {Outcome.WORKER_LOST}

    async def test_an_older_holder_can_do_nothing(self, stage: RunStage) -> None:
        """INV-F3: neither while the next one works nor after it has won."""
        older = await stage.accepted()
        now = stage.clock.now()
        await stage.ledger.apply([requeueing(older, now)])
        newer = await stage.claimed(await stage.whole(older), "w2")
        assert await stage.ledger.renew([renewal(older)]) == [Renewed.LOST]
        assert await stage.ledger.apply([success(older, now, output=b'"old"', digest="old")]) == [Applied.STALE]
        assert await stage.whole(older) == newer
        assert await stage.ledger.apply([success(newer, now, output=b'"new"', digest="new")]) == [Applied.APPLIED]
        assert await stage.ledger.apply([success(older, now, output=b'"old"', digest="old")]) == [Applied.STALE]
        assert await stage.ledger.apply([success(older, now, output=b'"new"', digest="new")]) == [Applied.STALE]
        assert (await stage.whole(older)).output == b'"new"'

    async def test_the_same_token_on_an_older_attempt_is_stale(self, stage: RunStage) -> None:
        """The fence alone must be enough, should a token ever be given twice."""
        older = await stage.claimed(await stage.added(), token="twice")
        await stage.ledger.apply([requeueing(older, stage.clock.now())])
        newer = await stage.claimed(await stage.whole(older), token="twice")
        assert await stage.ledger.renew([renewal(older)]) == [Renewed.LOST]
        assert await stage.ledger.apply([success(older, stage.clock.now())]) == [Applied.STALE]
        assert await stage.whole(older) == newer
