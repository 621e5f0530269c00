"""`RunBook.mark_stopped`, `purge` and `remove`: the little that happens to a run after its end.

An open run is never deleted, and a deleted one leaves neither attempts nor key.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from taskgate.runs.ports import AddVerdict, RunFilter
from taskgate.runs.run import ENDED, Status
from taskgate.testing.stage import RunStage, failure, requeueing


class KeepContract:
    """Fixture: `stage`."""

    # ---------------------------------------------------------------- stopped

    @pytest.mark.parametrize("status", sorted(ENDED))
    async def test_a_stop_is_confirmed_once(self, stage: RunStage, status: Status) -> None:
        run = await stage.ended(status)
        stage.clock.advance(3)
        stopped_at = stage.clock.now()
        await stage.book.mark_stopped(run.id, run.attempt)
        stage.clock.advance(3)
        await stage.book.mark_stopped(run.id, run.attempt)
        assert await stage.whole(run) == replace(run, stopped_at=stopped_at)

    async def test_only_the_last_holder_of_an_ended_run_confirms(self, stage: RunStage) -> None:
        ended, running = await stage.ended(Status.CANCELLED), await stage.accepted()
        await stage.book.mark_stopped(ended.id, ended.attempt - 1)
        await stage.book.mark_stopped(ended.id, ended.attempt + 1)
        await stage.book.mark_stopped(running.id, running.attempt)
        await stage.book.mark_stopped(stage.run().id, 1)
        assert await stage.book.get([ended.id, running.id]) == [ended, running]

    # ---------------------------------------------------------------- purge

    async def test_what_ended_before_the_moment_is_deleted(self, stage: RunStage) -> None:
        old = [await stage.ended(status) for status in sorted(ENDED)]
        open_runs = [await stage.added(), await stage.offered()]
        stage.clock.advance(10)
        moment = stage.clock.now()
        young = await stage.ended()
        assert sorted(await stage.book.purge(moment, 100)) == sorted(run.id for run in old)
        assert await stage.book.get([run.id for run in old]) == [None] * 4
        assert await stage.book.get([run.id for run in open_runs]) == open_runs
        assert await stage.whole(young) == young
        assert await stage.book.purge(moment, 100) == []

    async def test_the_oldest_end_goes_first(self, stage: RunStage) -> None:
        runs = []
        for _ in range(5):
            runs.append(await stage.ended())
            stage.clock.advance(1)
        assert await stage.book.purge(stage.clock.now(), 2) == [run.id for run in runs[:2]]
        assert await stage.book.purge(stage.clock.now(), 100) == [run.id for run in runs[2:]]

    async def test_a_purged_run_leaves_nothing(self, stage: RunStage) -> None:
        run = await stage.accepted(idempotency_key="k", body_digest="x")
        await stage.ledger.apply([requeueing(run, stage.clock.now())])
        run = await stage.claimed(await stage.whole(run))
        await stage.ledger.apply([failure(run, stage.clock.now())])
        stage.clock.advance(1)
        await stage.book.purge(stage.clock.now(), 1)
        assert await stage.book.find(RunFilter(site_id="site-a")) == []
        assert await stage.book.count("site-a") == {}
        again = stage.run(id=run.id, idempotency_key="k", body_digest="y")
        added = (await stage.ledger.add([again], {}))[0]
        assert added.verdict is AddVerdict.ADDED
        assert await stage.whole(again) == again

    # ---------------------------------------------------------------- remove

    async def test_only_ended_runs_are_removed(self, stage: RunStage) -> None:
        ended = [await stage.ended(status) for status in sorted(ENDED)]
        open_runs = [await stage.added(), await stage.offered(), await stage.accepted()]
        asked = [run.id for run in (*open_runs, *ended, stage.run())]
        assert sorted(await stage.book.remove(asked)) == sorted(run.id for run in ended)
        assert await stage.book.get([run.id for run in ended]) == [None] * 4
        assert await stage.book.get([run.id for run in open_runs]) == open_runs
        assert await stage.book.remove([ended[0].id]) == []
        assert await stage.book.remove([]) == []

    async def test_an_id_twice_is_removed_once(self, stage: RunStage) -> None:
        run = await stage.ended()
        assert await stage.book.remove([run.id, run.id]) == [run.id]

    async def test_a_removed_key_is_free(self, stage: RunStage) -> None:
        run = await stage.ended(Status.FAILED, idempotency_key="k", body_digest="x")
        await stage.book.remove([run.id])
        again = stage.run(idempotency_key="k", body_digest="y")
        assert (await stage.ledger.add([again], {}))[0].verdict is AddVerdict.ADDED
