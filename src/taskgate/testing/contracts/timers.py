"""`RunLedger.expired`, `due` and `queued`: what has passed, what is waiting, in order and page by page.

What these name may be gone by the time it is acted on: the guards of `claim` and `apply` decide.
"""

from __future__ import annotations

import pytest

from taskgate.runs.ports import QueuedRef
from taskgate.runs.run import Run, Status, Tenant
from taskgate.runs.task import QueueKey
from taskgate.testing.stage import LEASE_S, OFFER_S, RunStage, cancellation, renewal, requeueing

TIMERS = ("due_at", "start_by_at", "advance_at", "deadline_at")
COUNTING = {
    Status.SCHEDULED: {"due_at", "deadline_at"},
    Status.QUEUED: {"start_by_at", "advance_at", "deadline_at"},
    Status.RUNNING: {"advance_at", "deadline_at"},
}


def ids(runs: list[Run]) -> list[str]:
    """Ids in order."""
    return [run.id for run in runs]


class TimersContract:
    """Fixture: `stage`."""

    # ---------------------------------------------------------------- expired

    async def test_a_lease_expires_at_its_moment(self, stage: RunStage) -> None:
        run = await stage.offered()
        stage.clock.advance(OFFER_S - 0.001)
        assert await stage.ledger.expired(10) == []
        stage.clock.advance(0.001)
        assert await stage.ledger.expired(10) == [run]

    async def test_a_renewed_lease_expires_later(self, stage: RunStage) -> None:
        run = await stage.offered()
        await stage.ledger.renew([renewal(run)])
        stage.clock.advance(OFFER_S)
        assert await stage.ledger.expired(10) == []
        stage.clock.advance(LEASE_S)
        assert ids(await stage.ledger.expired(10)) == [run.id]

    async def test_the_oldest_expiry_comes_first(self, stage: RunStage) -> None:
        runs = [await stage.offered() for _ in range(6)]
        for place, run in enumerate(runs):
            await stage.ledger.renew([renewal(run, 60.0 - place)])
        stage.clock.advance(57)
        assert ids(await stage.ledger.expired(10)) == ids(runs[:2:-1])
        assert ids(await stage.ledger.expired(2)) == ids(runs[:3:-1])
        stage.clock.advance(100)
        assert len(await stage.ledger.expired(10)) == 6

    async def test_what_left_its_lease_does_not_expire(self, stage: RunStage) -> None:
        back, ended = await stage.offered(), await stage.offered()
        now = stage.clock.now()
        await stage.ledger.apply([requeueing(back, now), cancellation(ended, now)])
        await stage.added()
        stage.clock.advance(3600)
        assert await stage.ledger.expired(10) == []

    async def test_an_expired_run_is_whole(self, stage: RunStage) -> None:
        run = await stage.offered()
        await stage.ledger.apply([requeueing(run, stage.clock.now())])
        run = await stage.claimed(await stage.whole(run))
        stage.clock.advance(OFFER_S)
        assert await stage.ledger.expired(10) == [run]
        assert len(run.attempts) == 1

    # ---------------------------------------------------------------- due

    @pytest.mark.parametrize("status", sorted(COUNTING))
    @pytest.mark.parametrize("timer", TIMERS)
    async def test_a_timer_counts_in_its_states(self, stage: RunStage, status: Status, timer: str) -> None:
        at = stage.clock.now() + 60
        run = stage.run(status=Status.QUEUED if status is Status.RUNNING else status, **{timer: at})
        await stage.ledger.add([run], {})
        if status is Status.RUNNING:
            run = await stage.claimed(run)
        stage.clock.advance(59.999)
        assert await stage.ledger.due(10) == []
        stage.clock.advance(0.001)
        assert await stage.ledger.due(10) == ([run] if timer in COUNTING[status] else [])

    async def test_the_longest_overdue_comes_first_and_once(self, stage: RunStage) -> None:
        now = stage.clock.now()
        runs = [
            await stage.added(start_by_at=now + 30, advance_at=now + 10, deadline_at=now + 20),
            await stage.added(start_by_at=now + 5),
            await stage.added(status=Status.SCHEDULED, due_at=now + 15, start_by_at=now + 1),
            await stage.added(deadline_at=now + 1000),
        ]
        stage.clock.advance(60)
        assert ids(await stage.ledger.due(10)) == ids([runs[1], runs[0], runs[2]])
        assert ids(await stage.ledger.due(2)) == ids([runs[1], runs[0]])

    async def test_equal_moments_come_by_id(self, stage: RunStage) -> None:
        at = stage.clock.now() + 1
        runs = [stage.run(deadline_at=at) for _ in range(5)]
        await stage.ledger.add(runs[::-1], {})
        stage.clock.advance(1)
        assert ids(await stage.ledger.due(10)) == ids(runs)

    async def test_an_ended_run_has_no_timers(self, stage: RunStage) -> None:
        at = stage.clock.now() + 1
        for status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT):
            await stage.ended(status, deadline_at=at, advance_at=at, start_by_at=at)
        stage.clock.advance(60)
        assert await stage.ledger.due(10) == []

    async def test_timers_outlive_a_step_back_of_the_clock(self, stage: RunStage) -> None:
        """INV-T10: a timer fires at least once, however the wall clock moves."""
        run = await stage.added(deadline_at=stage.clock.now() + 60)
        stage.clock.jump(3600)
        assert ids(await stage.ledger.due(10)) == [run.id]
        stage.clock.jump(-7200)
        assert await stage.ledger.due(10) == []
        stage.clock.advance(3660)
        assert ids(await stage.ledger.due(10)) == [run.id]

    # ---------------------------------------------------------------- queued

    async def test_queued_runs_come_page_by_page(self, stage: RunStage) -> None:
        runs = [stage.run() for _ in range(7)]
        await stage.ledger.add(runs[::-1], {})
        pages: list[str] = []
        after = ""
        while page := await stage.ledger.queued(after, 3):
            assert len(page) <= 3
            pages += [ref.run_id for ref in page]
            after = page[-1].run_id
        assert pages == ids(runs)

    async def test_only_queued_runs_come(self, stage: RunStage) -> None:
        queued = await stage.added()
        again = await stage.offered()
        await stage.ledger.apply([requeueing(again, stage.clock.now())])
        await stage.added(status=Status.SCHEDULED, due_at=stage.clock.now())
        await stage.offered()
        await stage.ended(Status.FAILED)
        assert [ref.run_id for ref in await stage.ledger.queued("", 10)] == [queued.id, again.id]

    async def test_a_reference_says_what_a_ready_queue_needs(self, stage: RunStage) -> None:
        queue = QueueKey(task="text.echo", version="2", labels=(("gpu", "1"), ("zone", "eu")))
        run = await stage.added(queue=queue, priority=9, tenant=Tenant(site_id="site-b", user_id="u"))
        stage.clock.advance(5)
        assert await stage.ledger.queued("", 10) == [
            QueuedRef(run_id=run.id, queue=queue, site_id="site-b", priority=9, created_at=run.created_at)
        ]
