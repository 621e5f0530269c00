"""What a leader writes counts only while it leads: judged in the transaction of the write itself (INV-F5).

Subclass it with fixtures `stage` and `leadership`, both over the same store and clock.
"""

from __future__ import annotations

import asyncio

from taskgate.runs.ports import Applied, Leadership, Mandate
from taskgate.runs.run import Status
from taskgate.testing.stage import RunStage, requeueing, success


class MandateContract:
    """Fixtures: `stage`, a fresh `RunStage`, and `leadership`, in which nobody leads yet."""

    async def test_a_leader_moves_runs(self, stage: RunStage, leadership: Leadership) -> None:
        run, mandate = await stage.accepted(), await crowned(leadership, "a")
        assert await stage.ledger.apply([requeueing(run, stage.clock.now())], under=mandate) == [Applied.APPLIED]
        assert (await stage.whole(run)).status is Status.QUEUED
        assert await stage.ledger.apply([], under=mandate) == []

    async def test_a_deposed_leader_changes_nothing(self, stage: RunStage, leadership: Leadership) -> None:
        """The old leader stood still for longer than its term and goes on as if nothing had happened."""
        runs = [await stage.accepted() for _ in range(3)]
        old = await crowned(leadership, "a")
        stage.clock.advance(11)
        await crowned(leadership, "b")
        moves = [requeueing(run, stage.clock.now()) for run in runs]
        assert await stage.ledger.apply(moves, under=old) == [Applied.STALE] * 3
        assert await stage.book.get([run.id for run in runs]) == runs

    async def test_a_mandate_outlives_its_term_while_nobody_else_leads(
        self, stage: RunStage, leadership: Leadership
    ) -> None:
        run, mandate = await stage.accepted(), await crowned(leadership, "a")
        stage.clock.advance(1000)
        assert await stage.ledger.apply([requeueing(run, stage.clock.now())], under=mandate) == [Applied.APPLIED]

    async def test_who_leads_again_has_a_new_mandate(self, stage: RunStage, leadership: Leadership) -> None:
        run, first = await stage.accepted(), await crowned(leadership, "a")
        await leadership.resign("janitor", "a")
        await crowned(leadership, "b")
        await leadership.resign("janitor", "b")
        again = await crowned(leadership, "a")
        move = requeueing(run, stage.clock.now())
        assert await stage.ledger.apply([move], under=first) == [Applied.STALE]
        assert await stage.ledger.apply([move], under=again) == [Applied.APPLIED]

    async def test_a_mandate_is_for_its_duty_alone(self, stage: RunStage, leadership: Leadership) -> None:
        run, mandate = await stage.accepted(), await crowned(leadership, "a")
        other = Mandate(duty="webhooks", epoch=mandate.epoch)
        assert await stage.ledger.apply([requeueing(run, stage.clock.now())], under=other) == [Applied.STALE]

    async def test_a_result_needs_no_mandate(self, stage: RunStage, leadership: Leadership) -> None:
        """Beside a deposed leader's moves in the same commit, a holder's result counts."""
        one, two = await stage.accepted(), await stage.accepted()
        old = await crowned(leadership, "a")
        await leadership.resign("janitor", "a")
        await crowned(leadership, "b")
        verdicts = await asyncio.gather(
            stage.ledger.apply([requeueing(one, stage.clock.now())], under=old),
            stage.ledger.apply([success(two, stage.clock.now())]),
        )
        assert list(verdicts) == [[Applied.STALE], [Applied.APPLIED]]

    async def test_a_deposed_leader_purges_nothing(self, stage: RunStage, leadership: Leadership) -> None:
        run, old = await stage.ended(), await crowned(leadership, "a")
        stage.clock.advance(11)
        new = await crowned(leadership, "b")
        assert await stage.book.purge(stage.clock.now(), 10, under=old) == []
        assert await stage.whole(run) == run
        assert await stage.book.purge(stage.clock.now(), 10, under=new) == [run.id]


async def crowned(leadership: Leadership, holder: str) -> Mandate:
    """The mandate of whoever leads the duty `janitor` for ten seconds from now."""
    epoch = await leadership.campaign("janitor", holder, duration_s=10)
    if epoch is None:
        raise LookupError(f"{holder} was not given the duty")
    return Mandate(duty="janitor", epoch=epoch)
