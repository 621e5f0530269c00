"""`RunLedger.add`: accepted once whatever is sent twice, and leased in the same commit where a grant came along.

INV-T2 and INV-T3 as far as a store answers for them: what was answered is stored, what is stored is answered.
"""

from __future__ import annotations

import asyncio

import pytest

from taskgate.runs.ports import AddVerdict
from taskgate.runs.run import Run, Status, Tenant
from taskgate.runs.task import QueueKey
from taskgate.testing.stage import OFFER_S, RunStage, failure, grant, requeueing, success

ADDED, REPLAYED, KEY_REUSED = AddVerdict.ADDED, AddVerdict.REPLAYED, AddVerdict.KEY_REUSED


def keyed(stage: RunStage, body: str = "body", **changes: object) -> Run:
    """A new run with the idempotency key "k"."""
    return stage.run(**{"idempotency_key": "k", "body_digest": body, **changes})


class AddContract:
    """Fixture: `stage`."""

    async def test_a_run_is_stored_as_it_was_given(self, stage: RunStage) -> None:
        run = stage.run(
            tenant=Tenant(site_id="site-ä", user_id="u'1", app_id="app"),
            version="2.0",
            labels=(("team", "blue"), ("größe", 'x"l')),
            queue=QueueKey(task="text.echo", version="2.0", labels=(("gpu", "1"), ("zone", "eu"))),
            priority=-7,
            input='{"text":"ünïcode ☃ \\u0000"}'.encode(),
            deadline_at=stage.clock.now() + 1e9 / 7,
            start_by_at=stage.clock.now() + 1 / 3,
            advance_at=stage.clock.now() + 0.1,
            timeout_s=2.5,
            idempotency_key="key-1",
            body_digest="b" * 32,
            retry_of="earlier",
            submitted_by="key:1",
            traceparent="00-1-2-01",
        )
        assert [(item.verdict, item.run) for item in await stage.ledger.add([run], {})] == [(ADDED, run)]
        assert await stage.whole(run) == run

    async def test_a_delayed_run_waits(self, stage: RunStage) -> None:
        run = await stage.added(status=Status.SCHEDULED, due_at=stage.clock.now() + 60)
        assert (await stage.whole(run)).status is Status.SCHEDULED
        assert await stage.ledger.queued("", 10) == []

    async def test_inputs_keep_every_byte(self, stage: RunStage) -> None:
        sizes = [0, 1, 4096, 768 << 10]
        runs = [stage.run(input=bytes(number % 251 for number in range(size))) for size in sizes]
        await stage.ledger.add(runs, {})
        found = await stage.book.get([run.id for run in runs])
        assert [run.input if run else None for run in found] == [run.input for run in runs]

    async def test_nothing_added_is_nothing(self, stage: RunStage) -> None:
        assert await stage.ledger.add([], {}) == []

    async def test_a_large_batch_keeps_its_order(self, stage: RunStage) -> None:
        runs = [stage.run(idempotency_key=f"k{number % 290}", body_digest="same") for number in range(300)]
        added = await stage.ledger.add(runs, {run.id: grant(token=run.id) for run in runs[::3]})
        assert [item.verdict for item in added] == [ADDED] * 290 + [REPLAYED] * 10
        assert [item.run.id for item in added] == [run.id for run in (*runs[:290], *runs[:10])]
        assert [item.run.lease is not None for item in added[:290]] == [number % 3 == 0 for number in range(290)]

    # ---------------------------------------------------------------- idempotency (INV-T3)

    async def test_the_same_key_and_body_give_the_same_run(self, stage: RunStage) -> None:
        first, second = keyed(stage), keyed(stage)
        await stage.ledger.add([first], {})
        assert [(item.verdict, item.run) for item in await stage.ledger.add([second], {})] == [(REPLAYED, first)]
        assert await stage.book.get([second.id]) == [None]

    async def test_a_replay_shows_the_run_as_it_is_now(self, stage: RunStage) -> None:
        run = await stage.accepted(idempotency_key="k", body_digest="body")
        assert (await stage.ledger.add([keyed(stage)], {}))[0].run == run
        await stage.ledger.apply([requeueing(run, stage.clock.now())])
        queued = await stage.whole(run)
        assert (await stage.ledger.add([keyed(stage)], {}))[0].run == queued
        assert len(queued.attempts) == 1

    @pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT])
    async def test_an_ended_run_still_answers_for_its_key(self, stage: RunStage, status: Status) -> None:
        run = await stage.ended(status, idempotency_key="k", body_digest="body")
        stage.clock.advance(86_399)
        added = (await stage.ledger.add([keyed(stage)], {}))[0]
        assert (added.verdict, added.run) == (REPLAYED, run)
        assert (await stage.ledger.add([keyed(stage, "other")], {}))[0].verdict is KEY_REUSED

    async def test_the_same_key_with_another_body_is_refused(self, stage: RunStage) -> None:
        first, other = keyed(stage), keyed(stage, "other")
        await stage.ledger.add([first], {})
        assert [(item.verdict, item.run) for item in await stage.ledger.add([other], {})] == [(KEY_REUSED, first)]
        assert await stage.book.get([first.id, other.id]) == [first, None]

    async def test_duplicates_inside_one_batch_count_too(self, stage: RunStage) -> None:
        runs = [keyed(stage), keyed(stage), keyed(stage, "other"), stage.run(), keyed(stage)]
        added = await stage.ledger.add(runs, {})
        assert [item.verdict for item in added] == [ADDED, REPLAYED, KEY_REUSED, ADDED, REPLAYED]
        assert [item.run for item in added] == [runs[0], runs[0], runs[0], runs[3], runs[0]]

    async def test_a_key_belongs_to_its_site_and_task(self, stage: RunStage) -> None:
        runs = [
            keyed(stage, "one"),
            keyed(stage, "two", tenant=Tenant(site_id="site-b")),
            keyed(stage, "three", task="text.shout", queue=QueueKey(task="text.shout")),
        ]
        assert [item.verdict for item in await stage.ledger.add(runs, {})] == [ADDED] * 3
        again = [keyed(stage, "two", tenant=Tenant(site_id="site-b")), keyed(stage, "two")]
        assert [item.verdict for item in await stage.ledger.add(again, {})] == [REPLAYED, KEY_REUSED]

    async def test_runs_without_a_key_never_meet(self, stage: RunStage) -> None:
        added = await stage.ledger.add([stage.run(), stage.run()], {})
        assert [item.verdict for item in added] == [ADDED, ADDED]

    async def test_racing_submits_with_one_key_make_one_run(self, stage: RunStage) -> None:
        runs = [keyed(stage) for _ in range(20)]
        added = [item[0] for item in await asyncio.gather(*(stage.ledger.add([run], {}) for run in runs))]
        assert sorted(item.verdict for item in added) == [ADDED] + [REPLAYED] * 19
        assert len({item.run.id for item in added}) == 1

    async def test_a_purged_key_is_forgotten(self, stage: RunStage) -> None:
        run = await stage.ended(idempotency_key="k", body_digest="body")
        stage.clock.advance(86_401)
        assert await stage.book.purge(stage.clock.now() - 86_400, 10) == [run.id]
        assert (await stage.ledger.add([keyed(stage, "other")], {}))[0].verdict is ADDED

    async def test_an_id_that_is_there_is_never_overwritten(self, stage: RunStage) -> None:
        """A lost answer is resolved by sending the same run again."""
        run = await stage.accepted(body_digest="body")
        again = (await stage.ledger.add([stage.run(id=run.id, body_digest="body")], {}))[0]
        assert (again.verdict, again.run) == (REPLAYED, run)
        assert await stage.whole(run) == run

    # ---------------------------------------------------------------- the first lease

    async def test_a_grant_leases_the_run_in_the_same_commit(self, stage: RunStage) -> None:
        run, other = stage.run(start_by_at=stage.clock.now() + 9), stage.run()
        added = (await stage.ledger.add([run, other], {run.id: grant("w7", "secret")}))[0].run
        now = stage.clock.now()
        assert (added.status, added.attempt, added.tries, added.start_by_at) == (Status.RUNNING, 1, 0, now + 9)
        assert added.lease is not None
        assert (added.lease.holder, added.lease.token, added.lease.accepted) == ("w7", "secret", False)
        assert added.lease.expires_at == now + OFFER_S
        assert added.current is not None
        assert (added.current.number, added.current.holder, added.current.granted_at) == (1, "w7", now)
        assert added.current.started_at is None
        assert added.started_at is None
        assert await stage.whole(run) == added
        assert [ref.run_id for ref in await stage.ledger.queued("", 10)] == [other.id]

    async def test_a_delayed_run_gets_no_lease(self, stage: RunStage) -> None:
        run = stage.run(status=Status.SCHEDULED, due_at=stage.clock.now() + 9)
        assert (await stage.ledger.add([run], {run.id: grant()}))[0].run == run
        assert await stage.whole(run) == run

    async def test_a_replay_does_not_touch_the_lease_of_the_first(self, stage: RunStage) -> None:
        run = keyed(stage)
        first = (await stage.ledger.add([run], {run.id: grant("w1", "one")}))[0].run
        again = keyed(stage)
        second = (await stage.ledger.add([again], {again.id: grant("w2", "two")}))[0]
        assert (second.verdict, second.run) == (REPLAYED, first)
        assert await stage.whole(run) == first

    async def test_a_granted_run_can_end_at_once(self, stage: RunStage) -> None:
        runs = [stage.run(), stage.run()]
        added = await stage.ledger.add(runs, {run.id: grant(token=run.id) for run in runs})
        now = stage.clock.now()
        await stage.ledger.apply([success(added[0].run, now), failure(added[1].run, now)])
        statuses = [run.status if run else None for run in await stage.book.get([run.id for run in runs])]
        assert statuses == [Status.SUCCEEDED, Status.FAILED]
