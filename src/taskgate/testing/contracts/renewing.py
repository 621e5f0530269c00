"""`RunLedger.renew`: the first renewal accepts and counts the try, and only the holder of the live lease renews.

A lease that has passed stays its holder's until somebody takes it away.
"""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from taskgate.runs.ports import Renewed
from taskgate.runs.run import ENDED, Run, Status
from taskgate.testing.stage import LEASE_S, RunStage, claim, grant, renewal, requeueing

HELD, LOST, STOP = Renewed.HELD, Renewed.LOST, Renewed.STOP


class RenewContract:
    """Fixture: `stage`."""

    async def test_the_first_renewal_accepts(self, stage: RunStage) -> None:
        run = await stage.offered()
        stage.clock.advance(1)
        assert await stage.ledger.renew([renewal(run)]) == [HELD]
        held, now = await stage.whole(run), stage.clock.now()
        assert held.lease is not None
        assert (held.lease.accepted, held.lease.expires_at, held.lease.token) == (
            True,
            now + LEASE_S,
            renewal(run).token,
        )
        assert (held.status, held.attempt, held.tries, held.started_at) == (Status.RUNNING, 1, 1, now)
        assert held.current is not None
        assert held.current.started_at == now

    async def test_the_holder_says_when_it_began(self, stage: RunStage) -> None:
        run = await stage.offered()
        began_at = stage.clock.now() + 0.25
        stage.clock.advance(1)
        await stage.ledger.renew([renewal(run, started_at=began_at)])
        held = await stage.whole(run)
        assert held.current is not None
        assert (held.started_at, held.current.started_at) == (began_at, began_at)

    async def test_later_renewals_only_extend(self, stage: RunStage) -> None:
        run = await stage.accepted()
        stage.clock.advance(10)
        assert await stage.ledger.renew([renewal(run, 7.5, started_at=stage.clock.now())]) == [HELD]
        lease = run.lease
        assert lease is not None
        assert await stage.whole(run) == replace(run, lease=replace(lease, expires_at=stage.clock.now() + 7.5))

    async def test_a_receipt_twice_counts_one_try(self, stage: RunStage) -> None:
        run = await stage.offered()
        assert await stage.ledger.renew([renewal(run), renewal(run)]) == [HELD, HELD]
        assert (await stage.whole(run)).tries == 1

    async def test_racing_renewals_count_one_try(self, stage: RunStage) -> None:
        run = await stage.offered()
        answers = await asyncio.gather(*(stage.ledger.renew([renewal(run)]) for _ in range(10)))
        assert answers == [[HELD]] * 10
        assert (await stage.whole(run)).tries == 1

    async def test_accepting_ends_a_row_of_offers_that_nobody_began(self, stage: RunStage) -> None:
        run = await stage.offered()
        await stage.ledger.apply([requeueing(run, stage.clock.now(), unstarted_count=4)])
        run = await stage.claimed(await stage.whole(run))
        assert run.unstarted_count == 4
        await stage.ledger.renew([renewal(run)])
        assert (await stage.whole(run)).unstarted_count == 0

    async def test_a_run_starts_once_its_attempts_each(self, stage: RunStage) -> None:
        run = await stage.accepted()
        first_at = stage.clock.now()
        await stage.ledger.apply([requeueing(run, first_at)])
        stage.clock.advance(5)
        run = await stage.claimed(await stage.whole(run))
        await stage.ledger.renew([renewal(run)])
        run = await stage.whole(run)
        assert run.current is not None
        assert (run.started_at, run.current.started_at, run.tries) == (first_at, first_at + 5, 2)
        assert [attempt.started_at for attempt in run.attempts] == [first_at]

    # ---------------------------------------------------------------- whose lease it is (INV-F1)

    @pytest.mark.parametrize("wrong", [{"token": "guess"}, {"token": ""}, {"attempt": 2}, {"attempt": 0}])
    async def test_a_wrong_receipt_renews_nothing(self, stage: RunStage, wrong: dict[str, object]) -> None:
        run = await stage.offered()
        assert await stage.ledger.renew([replace(renewal(run), **wrong)]) == [LOST]
        assert await stage.whole(run) == run

    async def test_nobody_holds_what_waits(self, stage: RunStage) -> None:
        queued = await stage.added()
        later = await stage.added(status=Status.SCHEDULED, due_at=stage.clock.now() + 9)
        assert await stage.ledger.renew([renewal(queued), renewal(later), renewal(stage.run())]) == [LOST] * 3
        assert await stage.book.get([queued.id, later.id]) == [queued, later]

    @pytest.mark.parametrize("status", sorted(ENDED))
    async def test_an_ended_run_stops_its_holder(self, stage: RunStage, status: Status) -> None:
        run = await stage.accepted()
        ended = await stage.ended(status)
        receipt = replace(renewal(run), run_id=ended.id)
        assert await stage.ledger.renew([receipt, renewal(run)]) == [STOP, HELD]
        assert await stage.whole(ended) == ended

    async def test_an_expired_lease_that_nobody_took_is_still_held(self, stage: RunStage) -> None:
        run = await stage.accepted()
        stage.clock.advance(LEASE_S * 100)
        assert await stage.ledger.renew([renewal(run)]) == [HELD]
        assert await stage.ledger.expired(10) == []

    async def test_a_lease_given_on_is_lost(self, stage: RunStage) -> None:
        run = await stage.accepted()
        await stage.ledger.apply([requeueing(run, stage.clock.now())])
        assert await stage.ledger.renew([renewal(run)]) == [LOST]
        newer = await stage.claimed(await stage.whole(run), "w2")
        assert await stage.ledger.renew([renewal(run), renewal(newer)]) == [LOST, HELD]

    async def test_a_large_batch_keeps_its_order(self, stage: RunStage) -> None:
        runs = [stage.run() for _ in range(300)]
        await stage.ledger.add(runs, {run.id: grant(token=run.id) for run in runs[::2]})
        leased: list[Run | None] = [
            await stage.whole(run) if number % 50 == 0 else run for number, run in enumerate(runs)
        ]
        verdicts = await stage.ledger.renew([renewal(run) for run in leased if run is not None])
        assert verdicts == [HELD if number % 50 == 0 else LOST for number in range(300)]
        assert await stage.ledger.renew([]) == []

    async def test_a_renewal_and_a_claim_of_one_moment(self, stage: RunStage) -> None:
        """A leased run cannot be claimed, whatever is committed together."""
        run = await stage.offered()
        renewed, claimed = await asyncio.gather(
            stage.ledger.renew([renewal(run)]), stage.ledger.claim([claim(run, "w2", token="two")])
        )
        assert (renewed, claimed) == ([HELD], [None])
