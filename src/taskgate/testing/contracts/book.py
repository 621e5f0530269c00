"""`RunBook`: reading runs, never across tenants where a site is named, and never older than the last commit.

A listing names its site; reading by id leaves tenancy to the caller.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from taskgate.runs.ports import Glance, RunFilter
from taskgate.runs.run import Run, Status, Tenant
from taskgate.runs.task import QueueKey
from taskgate.testing.contracts.keeping import KeepContract
from taskgate.testing.stage import RunStage, requeueing, success


def ids(runs: list[Run]) -> list[str]:
    """Ids in order."""
    return [run.id for run in runs]


class RunBookContract(KeepContract):
    """Fixture: `stage`, a fresh `RunStage`."""

    async def test_runs_come_in_the_order_of_the_asking(self, stage: RunStage) -> None:
        one, two = await stage.added(), await stage.offered()
        unknown = stage.run().id
        assert await stage.book.get([two.id, unknown, one.id, two.id]) == [two, None, one, two]
        assert await stage.book.get([]) == []

    async def test_many_runs_at_once(self, stage: RunStage) -> None:
        runs = [stage.run(input=str(number).encode()) for number in range(300)]
        await stage.ledger.add(runs, {})
        assert await stage.book.get(ids(runs[::-1])) == runs[::-1]

    async def test_a_glance_tells_tenant_and_state(self, stage: RunStage) -> None:
        one, two = await stage.added(), await stage.offered()
        unknown = stage.run().id
        assert await stage.book.glance([two.id, unknown, one.id]) == [
            Glance(two.tenant.site_id, two.tenant.user_id, Status.RUNNING),
            None,
            Glance(one.tenant.site_id, one.tenant.user_id, Status.QUEUED),
        ]
        assert await stage.book.glance([]) == []

    async def test_a_whole_run_has_all_its_attempts(self, stage: RunStage) -> None:
        run = await stage.added()
        for _ in range(3):
            run = await stage.claimed(run)
            await stage.ledger.apply([requeueing(run, stage.clock.now())])
            run = await stage.whole(run)
        run = await stage.claimed(run)
        await stage.ledger.apply([success(run, stage.clock.now())])
        ended = await stage.whole(run)
        assert [attempt.number for attempt in ended.attempts] == [1, 2, 3]
        assert ended.current is not None
        assert ended.current.number == 4

    async def test_a_write_is_read_at_once(self, stage: RunStage) -> None:
        """By many at a time: the reading must not be older than the commit that this caller saw."""

        async def journey() -> None:
            run = await stage.added()
            assert (await stage.whole(run)).status is Status.QUEUED
            run = await stage.claimed(run)
            assert await stage.whole(run) == run
            await stage.ledger.apply([success(run, stage.clock.now())])
            assert (await stage.whole(run)).status is Status.SUCCEEDED
            assert run.id in ids(await stage.book.find(RunFilter(site_id="site-a", status=Status.SUCCEEDED)))

        await asyncio.gather(*(journey() for _ in range(20)))

    # ---------------------------------------------------------------- find

    async def test_the_newest_comes_first_without_earlier_attempts(self, stage: RunStage) -> None:
        runs = [await stage.added() for _ in range(3)]
        run = await stage.claimed(runs[1])
        await stage.ledger.apply([requeueing(run, stage.clock.now())])
        run = await stage.claimed(await stage.whole(run))
        found = await stage.book.find(RunFilter(site_id="site-a"))
        assert found == [runs[2], replace(run, attempts=()), runs[0]]

    async def test_a_site_sees_its_own_runs_alone(self, stage: RunStage) -> None:
        """INV-A1: equal users, tasks, labels and keys of another tenant stay unseen."""
        twin: dict[str, Any] = {"labels": (("a", "b"),), "idempotency_key": "k", "body_digest": "x"}
        mine = await stage.added(tenant=Tenant(site_id="site-a", user_id="u"), **twin)
        theirs = await stage.added(tenant=Tenant(site_id="site-b", user_id="u"), **twin)
        for site, run in (("site-a", mine), ("site-b", theirs)):
            wanted = RunFilter(site_id=site, user_id="u", task="text.echo", label=("a", "b"), status=Status.QUEUED)
            assert await stage.book.find(wanted) == [run]
            assert await stage.book.find(replace(wanted, cursor=stage.run().id)) == [run]
            assert await stage.book.count(site) == {Status.QUEUED: 1}
        assert await stage.book.find(RunFilter(site_id="site-c")) == []
        assert await stage.book.find(RunFilter(site_id="")) == []

    @pytest.mark.parametrize(
        ("wanted", "places"),
        [
            ({}, [3, 2, 1, 0]),
            ({"user_id": "ann"}, [1, 0]),
            ({"user_id": "an"}, []),
            ({"task": "text.echo"}, [2, 0]),
            ({"status": Status.QUEUED}, [3, 1, 0]),
            ({"status": Status.RUNNING}, [2]),
            ({"status": Status.FAILED}, []),
            ({"label": ("team", "blue")}, [3, 0]),
            ({"label": ("team", "red")}, [1]),
            ({"label": ("team", "")}, []),
            ({"label": ("blue", "team")}, []),
            ({"user_id": "ann", "task": "text.echo", "label": ("team", "blue")}, [0]),
            ({"limit": 2}, [3, 2]),
            ({"limit": 1, "user_id": "ann"}, [1]),
        ],
    )
    async def test_filters(self, stage: RunStage, wanted: dict[str, Any], places: list[int]) -> None:
        ann, bob = Tenant(site_id="site-a", user_id="ann"), Tenant(site_id="site-a", user_id="bob")
        shout = {"task": "text.shout", "queue": QueueKey(task="text.shout")}
        runs = [
            await stage.added(tenant=ann, labels=(("team", "blue"), ("size", "xl"))),
            await stage.added(tenant=ann, labels=(("team", "red"),), **shout),
            await stage.offered(tenant=bob),
            await stage.added(tenant=bob, labels=(("size", "s"), ("team", "blue")), **shout),
        ]
        found = await stage.book.find(RunFilter(site_id="site-a", **wanted))
        assert ids(found) == [runs[place].id for place in places]

    async def test_a_cursor_goes_on_where_the_page_ended(self, stage: RunStage) -> None:
        runs = [await stage.added(labels=(("odd", str(number % 2)),)) for number in range(10)]
        for label, expected in ((None, runs[::-1]), (("odd", "1"), runs[::-2])):
            seen: list[str] = []
            cursor = ""
            while page := await stage.book.find(RunFilter(site_id="site-a", label=label, cursor=cursor, limit=3)):
                seen += ids(page)
                cursor = page[-1].id
                await stage.added(labels=(("odd", "0"),))  # a newer one never shifts the pages
            assert seen[-len(expected) :] == ids(expected)
            assert len(seen) == len(set(seen))

    async def test_dead_letters_are_failures_that_nobody_retried(self, stage: RunStage) -> None:
        dead, retried = await stage.ended(Status.FAILED), await stage.ended(Status.FAILED)
        other = await stage.ended(Status.FAILED, task="text.shout", queue=QueueKey(task="text.shout"))
        await stage.ended(Status.TIMED_OUT)
        await stage.ended(Status.CANCELLED)
        await stage.ended(Status.SUCCEEDED)
        await stage.added(retry_of=retried.id)
        assert ids(await stage.book.find(RunFilter(site_id="site-a", dead=True))) == ids([other, dead])
        assert ids(await stage.book.find(RunFilter(site_id="site-a", dead=True, task="text.echo"))) == [dead.id]
        assert await stage.book.find(RunFilter(site_id="site-a", dead=True, status=Status.SUCCEEDED)) == []
        assert len(await stage.book.find(RunFilter(site_id="site-a", status=Status.FAILED))) == 3

    async def test_counting(self, stage: RunStage) -> None:
        assert await stage.book.count("site-a") == {}
        await stage.added()
        await stage.added()
        await stage.offered()
        for status in (Status.SUCCEEDED, Status.CANCELLED):
            await stage.ended(status)
        assert await stage.book.count("site-a") == {
            Status.QUEUED: 2,
            Status.RUNNING: 1,
            Status.SUCCEEDED: 1,
            Status.CANCELLED: 1,
        }
