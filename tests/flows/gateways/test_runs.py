"""A run is one run at all gateways: submitted here, done there, waited for and cancelled anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from taskgate.errors import TaskgateError
from taskgate.runs.intake import Accepted
from taskgate.runs.ports import GAP, Applied, Mandate, Move
from taskgate.runs.run import Outcome, Status
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.testing.clock import ManualClock
from tests.flows.gateways.pair import Neighbour, eventually, shared_stores
from tests.flows.runs.house import ADMIN

Pair = tuple[Neighbour, Neighbour]


async def test_a_run_goes_to_a_worker_of_the_other_gateway_and_its_end_comes_back(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work")
    run = await here.submit("work", 7)
    waiting = asyncio.create_task(here.gateway.desk.wait_fresh(Accepted(run, replayed=False), 30.0))
    await there.until(lambda: crew.offers)
    assert (await crew.finish(crew.offers[0], "done")).verdict == "applied"
    ended = await asyncio.wait_for(waiting, 4.5)  # by news: asking again takes five seconds
    assert ended is not None
    assert ended.output == b'"done"'


async def test_an_end_before_the_watch_is_not_waited_for(pair: Pair) -> None:
    """The other gateway's worker may be done before the submitter has begun to watch."""
    here, there = pair
    crew = await there.crew("w1", "work")
    run = await here.submit("work")
    await there.until(lambda: crew.offers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(there.gateway.stores.signals, "publish", unheard)
        await crew.finish(crew.offers[0])
        await asyncio.sleep(0.01)
    ended = await asyncio.wait_for(here.gateway.desk.wait_fresh(Accepted(run, replayed=False), 30.0), 2.0)
    assert ended is not None
    assert ended.status is Status.SUCCEEDED


async def test_several_runs_are_waited_for_at_a_gateway_that_did_none_of_them(pair: Pair) -> None:
    here, there = pair
    runs = [await here.submit("work") for _ in range(3)]
    waiting = asyncio.create_task(here.gateway.desk.wait(ADMIN, [run.id for run in runs], timeout_s=30.0))
    await eventually(lambda: len(here.gateway.moves.waiters) == 3)
    crew = await there.crew("w1", "work")
    await there.until(lambda: crew.offers)
    await crew.finish(crew.offers[0])
    (first,) = await asyncio.wait_for(waiting, 4.5)
    assert first.id == crew.offers[0].run_id


async def test_news_that_were_lost_are_made_up_for_by_a_gap(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work")
    run = await here.submit("work")
    waiting = asyncio.create_task(here.gateway.desk.wait_fresh(Accepted(run, replayed=False), 30.0))
    await there.until(lambda: crew.offers)
    signals = there.gateway.stores.signals
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "publish", unheard)
        await crew.finish(crew.offers[0])
        await asyncio.sleep(0.01)
        assert not waiting.done()
    await signals.publish("runs", GAP)
    assert (await asyncio.wait_for(waiting, 4.5)) is not None


async def unheard(topic: str, payload: bytes) -> None:
    """News that nobody gets."""


async def test_a_cancel_here_stops_the_worker_there(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work")
    run = await here.submit("work")
    await there.until(lambda: crew.offers)
    crew.begin(crew.offers[0])
    cancelled = await here.gateway.desk.cancel(ADMIN, run.id)
    assert cancelled.status is Status.CANCELLED
    await there.until(lambda: crew.cancels)
    assert crew.cancels == [(run.id, 1, "cancelled")]
    assert there.gateway.moves.leases.of_run(run.id) is None
    assert (await crew.finish(crew.offers[0], "late")).verdict == "stale"


async def test_a_lease_that_the_leader_ends_is_void_where_it_is_held(pair: Pair) -> None:
    """The worker there began and fell silent; the janitor here gives its run to another one here."""
    here, there = pair
    crew = await there.crew("w1", "work")
    run = await here.submit("work")
    await there.until(lambda: crew.offers)
    crew.begin(crew.offers[0])
    await there.until(lambda: there.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    other = await here.crew("w2", "work")
    here.clock.advance(31.0)
    assert await here.gateway.moves.janitor.sweep() == 1
    await here.until(lambda: other.offers)
    await there.until(lambda: crew.cancels)
    assert crew.cancels == [(run.id, 1, "lost")]


async def test_offers_that_a_worker_there_does_not_begin_strike_it_there(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=9)
    run = await here.submit("work")
    for number in range(3):
        await there.until(lambda number=number: len(crew.offers) == number + 1)  # type: ignore[misc]
        here.clock.advance(5.1)
        await here.gateway.moves.janitor.sweep()
        await eventually(lambda: there.gateway.moves.leases.of_run(run.id) is None or len(crew.offers) > number + 1)  # noqa: B023
    await eventually(lambda: not crew.holder.can_do("work"))
    ended = await here.run(run)
    assert [attempt.outcome for attempt in ended.attempts] == [Outcome.NOT_STARTED] * 3


async def test_what_another_gateway_left_queued_is_found_at_the_start(pair: Pair) -> None:
    here, _ = pair
    run = await here.submit("work")
    third = Neighbour(here.gateway.stores, here.clock)
    await third.gateway.start()
    try:
        crew = await third.crew("w3", "work")
        await third.until(lambda: crew.offers)
        assert crew.offers[0].run_id == run.id
    finally:
        await third.gateway.stop()


async def test_a_task_declared_there_is_known_here(pair: Pair) -> None:
    here, there = pair
    await there.define("fresh")
    await eventually(lambda: here.gateway.definitions.known("default", "fresh"))
    await there.gateway.declarations.withdraw(ADMIN, "fresh")
    await eventually(lambda: here.gateway.definitions.known("default", "fresh") is None)


async def test_an_unknown_task_is_looked_up_before_it_is_refused(pair: Pair) -> None:
    """The news of it have not come yet, or never will."""
    here, there = pair
    there.gateway.declarations._on_change = None
    await there.define("silent")
    assert (await here.submit("silent")).status is Status.QUEUED
    refused = await here.verdict("nobody.knows.it")
    assert isinstance(refused, TaskgateError)
    assert refused.code == "UNKNOWN_TASK"


# ---------------------------------------------------------------- who leads (INV-F5)


class SlowLedger(MemoryRunLedger):
    """Stands still before it applies moves, for as long as the test wants."""

    def __init__(self, runs: MemoryRuns) -> None:
        super().__init__(runs)
        self.gate, self.reached = asyncio.Event(), asyncio.Event()

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        if under is not None:
            self.reached.set()
            await self.gate.wait()
        return await super().apply(moves, under=under)


@pytest.mark.parametrize("is_paused_for_long", [True, False])
async def test_inv_f5_a_leader_that_stood_still_changes_nothing(is_paused_for_long: bool) -> None:
    clock = ManualClock()
    stores = shared_stores(clock)
    assert isinstance(stores.ledger, MemoryRunLedger)
    slow = SlowLedger(stores.ledger._runs)
    old, new = Neighbour(replace(stores, ledger=slow), clock), Neighbour(stores, clock)
    await old.gateway.start()
    await new.gateway.start()
    try:
        await old.define("work")
        crew = await old.crew("w1", "work")
        run = await old.submit("work")
        await old.until(lambda: crew.offers)
        assert await old.gateway.moves.janitor.lead()
        assert not await new.gateway.moves.janitor.lead()
        clock.advance(5.1)
        sweeping = asyncio.create_task(old.gateway.moves.janitor.sweep())
        await slow.reached.wait()
        if is_paused_for_long:
            clock.advance(30.0)
            assert await new.gateway.moves.janitor.lead()
        slow.gate.set()
        moved_count = await sweeping
        now = await new.run(run)
        if is_paused_for_long:
            assert moved_count == 0
            assert now.status is Status.RUNNING
            assert await new.gateway.moves.janitor.sweep() == 1
        else:
            assert moved_count == 1
    finally:
        await new.gateway.stop()
        await old.gateway.stop()


async def test_who_stops_lets_the_other_lead_at_once(pair: Pair) -> None:
    here, there = pair
    assert await here.gateway.moves.janitor.lead()
    assert not await there.gateway.moves.janitor.lead()
    await here.gateway.moves.janitor.stop()
    assert await there.gateway.moves.janitor.lead()
