"""What is begun is finished: a caller who leaves in the middle delays nothing, and one bad run holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from taskgate.assembly import build
from taskgate.errors import InvalidInput, StoreError, Unavailable
from taskgate.runs import intake
from taskgate.runs.intake import Accepted, Submission
from taskgate.runs.ports import Added, Applied, Grant, Mandate, Move, QueuedRef
from taskgate.runs.run import Run, Status
from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.leadership import MemoryLeadership
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.stores.opening import open_stores
from tests.flows.gateways.pair import SETTINGS
from tests.flows.runs.house import ADMIN, House


class Slow(MemoryRunLedger):
    """Commits, and answers only when it is let go; refuses moves of some runs for ever."""

    def __init__(self, runs: MemoryRuns) -> None:
        super().__init__(runs)
        self.has_committed = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.poison: dict[str, Exception] = {}

    async def add(self, runs: Sequence[Run], grants: Mapping[str, Grant]) -> list[Added]:
        added = await super().add(runs, grants)
        await self._answer()
        return added

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        for move in moves:
            if move.run_id in self.poison:
                raise self.poison[move.run_id]
        applied = await super().apply(moves, under=under)
        await self._answer()
        return applied

    async def _answer(self) -> None:
        self.has_committed.set()
        await self.may_answer.wait()


class SlowHouse(House):
    """A gateway on such a ledger; nobody looks into the ledger for what was forgotten."""

    def __init__(self) -> None:
        super().__init__()
        stores = open_stores("memory:", clock=self.clock, probe=lambda _: None)
        leadership = MemoryLeadership(self.clock)
        runs = MemoryRuns(self.clock, leadership)
        self.ledger = Slow(runs)
        book = MemoryRunBook(runs)
        stores = replace(stores, ledger=self.ledger, book=book, leadership=leadership)
        self.gateway = build(SETTINGS, clock=self.clock, stores=stores)

    async def left(self, task: asyncio.Task[object]) -> None:
        """The caller leaves between the commit and its answer."""
        async with asyncio.timeout(5):
            await self.ledger.has_committed.wait()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        self.ledger.may_answer.set()

    def hold(self) -> None:
        self.ledger.has_committed.clear()
        self.ledger.may_answer.clear()


@asynccontextmanager
async def opened() -> AsyncIterator[SlowHouse]:
    house = SlowHouse()
    await house.gateway.start()
    try:
        await house.define("t")
        yield house
    finally:
        await house.gateway.stop()


@pytest.mark.parametrize("is_free", [True, False])
async def test_f41_a_run_whose_caller_left_is_given_out_at_once(is_free: bool) -> None:
    """To a worker that was free already, by the lease in the commit; else by the ready queue."""
    async with opened() as house:
        crew = await house.crew("w1", "t", credit=1 if is_free else 0)
        house.hold()
        await house.left(asyncio.create_task(house.submit("t", 1)))
        crew.holder.credit = 1
        house.gateway.moves.dispatcher.wake(crew.holder)
        await house.until(lambda: crew.offers)


async def test_a_run_whose_caller_was_told_to_come_again_is_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "COMMIT_S", 0.05)
    async with opened() as house:
        crew = await house.crew("w1", "t")
        house.hold()
        with pytest.raises(Unavailable, match="STORE_SLOW"):
            await house.submit("t", 1)
        house.ledger.may_answer.set()
        await house.until(lambda: crew.offers)


async def test_a_durable_run_is_answered_however_long_the_ready_queue_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "COMMIT_S", 0.05)
    async with opened() as house:
        ready, goes_on = house.gateway.stores.ready, asyncio.Event()
        offer = ready.offer

        async def slow(refs: Sequence[QueuedRef]) -> None:
            asyncio.get_running_loop().call_later(0.3, goes_on.set)
            await goes_on.wait()
            await offer(refs)

        monkeypatch.setattr(ready, "offer", slow)
        assert (await house.submit("t", 1)).status is Status.QUEUED


async def test_f41_a_cancel_whose_caller_left_is_told() -> None:
    async with opened() as house:
        run = await house.submit("t", 1)
        waiting = asyncio.create_task(house.gateway.desk.wait_fresh(Accepted(run, replayed=False), 20.0))
        await asyncio.sleep(0)
        house.hold()
        await house.left(asyncio.create_task(house.gateway.desk.cancel(ADMIN, run.id)))
        async with asyncio.timeout(5):
            ended = await waiting
        assert ended is not None
        assert ended.status is Status.CANCELLED


@pytest.mark.parametrize("why", [InvalidInput("not to be stored"), StoreError("refused"), ZeroDivisionError()])
async def test_a_run_that_cannot_be_moved_holds_up_no_other(why: Exception) -> None:
    async with opened() as house:
        runs = [await house.submit("t", number, deadline_s=10.0) for number in range(9)]
        house.ledger.poison = {runs[place].id: why for place in (0, 3, 4)}
        house.clock.advance(11.0)
        await house.gateway.moves.janitor.lead()
        await house.gateway.moves.janitor.sweep()
        found = [(await house.run(run)).status for run in runs]
        assert [place for place, status in enumerate(found) if status is not Status.TIMED_OUT] == [0, 3, 4]
        house.ledger.poison = {}
        await house.gateway.moves.janitor.sweep()
        assert (await house.run(runs[0])).status is Status.TIMED_OUT


@pytest.mark.parametrize("why", [Unavailable("away"), StoreError("broken", code="STORE_BROKEN")])
async def test_a_store_that_refuses_everything_is_asked_once(why: Exception) -> None:
    async with opened() as house:
        runs = [await house.submit("t", number, deadline_s=10.0) for number in range(9)]
        house.ledger.poison = dict.fromkeys([run.id for run in runs], why)
        house.clock.advance(11.0)
        await house.gateway.moves.janitor.lead()
        with pytest.raises(type(why)):
            await house.gateway.moves.janitor.sweep()


async def test_the_end_of_a_run_that_ended_before_its_caller_could_wait_is_told() -> None:
    """The caller is told of the accept some turns of the loop after the offer has left: the end may be there first."""
    async with opened() as house:
        crew = await house.crew("w1", "t")
        submission = Submission(task="t", input=b"1")
        accepting = asyncio.create_task(house.gateway.intake.submit(ADMIN, [submission], waits=True))
        await house.until(lambda: crew.offers)
        await crew.finish(crew.offers[0], "done")
        (accepted,) = await accepting
        assert isinstance(accepted, Accepted)
        async with asyncio.timeout(5):
            ended = await house.gateway.desk.wait_fresh(accepted, 20.0)
        assert ended is not None
        assert ended.output == b'"done"'
        assert len(house.gateway.moves.waiters) == 0
