"""`Census`: what is open, by queue and site, with the age of what waits longest.

Scaling decisions are made from it: it never counts what has ended, and never what belongs to somebody else.
"""

from __future__ import annotations

from taskgate.runs.ports import Census, QueueStanding
from taskgate.runs.run import Status, Tenant
from taskgate.runs.task import QueueKey
from taskgate.testing.stage import RunStage, requeueing

ECHO = QueueKey(task="text.echo")
PINNED = QueueKey(task="text.echo", version="2", labels=(("gpu", "a100"), ("zone", "b")))


def standing(
    queue: QueueKey = ECHO, site_id: str = "site-a", *, oldest_at: float | None = None, **counts: int
) -> QueueStanding:
    """An expected row; states that are not named count nothing."""
    return QueueStanding(
        queue=queue,
        site_id=site_id,
        scheduled_count=counts.get("scheduled", 0),
        queued_count=counts.get("queued", 0),
        running_count=counts.get("running", 0),
        oldest_at=oldest_at,
    )


def in_order(rows: list[QueueStanding]) -> list[QueueStanding]:
    """Rows by site and queue."""
    return sorted(rows, key=lambda row: (row.site_id, row.queue))


class CensusContract:
    """Fixtures: `stage`, a fresh `RunStage`, and `census` over the same state."""

    async def test_nothing_open_stands_nowhere(self, stage: RunStage, census: Census) -> None:
        for status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT):
            await stage.ended(status)
        assert await census.standing() == []

    async def test_every_open_state_is_counted(self, stage: RunStage, census: Census) -> None:
        first = stage.clock.now()
        await stage.added()
        stage.clock.advance(5)
        for _ in range(2):
            await stage.added()
        await stage.added(status=Status.SCHEDULED, due_at=stage.clock.now() + 60)
        await stage.offered()
        await stage.accepted()
        await stage.ended()
        assert await census.standing() == [standing(oldest_at=first, scheduled=1, queued=3, running=2)]

    async def test_queues_of_one_task_stand_apart(self, stage: RunStage, census: Census) -> None:
        now = stage.clock.now()
        await stage.added()
        await stage.added(queue=PINNED)
        await stage.added(queue=PINNED)
        assert in_order(await census.standing()) == [
            standing(oldest_at=now, queued=1),
            standing(PINNED, oldest_at=now, queued=2),
        ]

    async def test_what_runs_has_no_age(self, stage: RunStage, census: Census) -> None:
        await stage.accepted()
        assert await census.standing() == [standing(running=1)]

    async def test_a_run_that_comes_back_is_as_old_as_ever(self, stage: RunStage, census: Census) -> None:
        accepted_at = stage.clock.now()
        run = await stage.offered()
        stage.clock.advance(7)
        await stage.ledger.apply([requeueing(run, stage.clock.now())])
        assert await census.standing() == [standing(oldest_at=accepted_at, queued=1)]

    async def test_sites_and_users_stand_apart(self, stage: RunStage, census: Census) -> None:
        """INV-A1: who asks for a site, or for a user of it, counts nobody else's runs."""
        now = stage.clock.now()
        await stage.added(tenant=Tenant(site_id="site-a", user_id="u"))
        await stage.added(tenant=Tenant(site_id="site-a"))
        await stage.added(tenant=Tenant(site_id="site-b", user_id="u"))
        assert in_order(await census.standing()) == [
            standing(oldest_at=now, queued=2),
            standing(site_id="site-b", oldest_at=now, queued=1),
        ]
        assert await census.standing(site_id="site-b") == [standing(site_id="site-b", oldest_at=now, queued=1)]
        assert await census.standing(site_id="site-a", user_id="u") == [standing(oldest_at=now, queued=1)]
        assert await census.standing(site_id="site-c") == []
