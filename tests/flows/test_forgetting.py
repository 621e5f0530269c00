"""Journals end with their time or with their run, whatever crashed in between; who reads one just then is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from taskgate.assembly import build
from taskgate.errors import NotFound, StoreError
from taskgate.history.forgetting import Forgetting
from taskgate.ids import id_floor, new_id
from taskgate.journal.settings import JournalSettings
from taskgate.runs.run import Run
from taskgate.testing.journals import append, everything, lines
from tests.flows.gateways.pair import SETTINGS
from tests.flows.runs.house import ADMIN, House

DAY_S = 86_400.0
LONG_S = 30 * DAY_S


class Archives(House):
    """A gateway whose journals are kept for `keep_s` and whose runs for seven days."""

    def __init__(self, keep_s: float) -> None:
        super().__init__()
        settings = replace(SETTINGS, journal=JournalSettings(keep_s=keep_s))
        self.gateway = build(settings, clock=self.clock)

    @property
    def forgetting(self) -> Forgetting:
        return next(part for part in self.gateway.past.parts if isinstance(part, Forgetting))

    async def ended(self, number: int = 0) -> Run:
        crew = await self.crew("w1", "t")
        run = await self.submit("t", number)
        await self.until(lambda: crew.offers)
        crew.begin(crew.offers[0])
        await append(self.gateway.journal, lines(run.id, [1, 2]))
        await crew.finish(crew.offers[0], 1)
        await self.gateway.fleet.leave(crew.holder)
        return run


@asynccontextmanager
async def opened(keep_s: float = 0.0) -> AsyncIterator[Archives]:
    house = Archives(keep_s)
    await house.gateway.start()
    try:
        await house.define("t")
        await house.define("waits")
        yield house
    finally:
        await house.gateway.stop()


def test_an_id_is_between_the_floors_of_its_moment() -> None:
    for at in (0.0, 1.5, 1_700_000_000.25, 2**40 / 1000):
        assert id_floor(at) < new_id(at) < id_floor(at + 0.002)


async def test_journals_are_forgotten_when_their_time_is_over_and_runs_are_not() -> None:
    async with opened(keep_s=DAY_S) as house:
        old = await house.ended()
        still_open = await house.submit("waits", 2)
        await append(house.gateway.journal, lines(still_open.id, [1]))
        house.clock.advance(DAY_S / 2)
        recent = await house.ended()
        house.clock.advance(DAY_S / 2 + 10)
        with pytest.raises(NotFound, match="JOURNAL_GONE"):  # before the walk as after it
            await house.gateway.run_journal.read(old.id, 0, limit=10)
        assert await house.forgetting.sweep() == 1
        assert await house.forgetting.sweep() == 0
        assert await everything(house.gateway.journal, old.id) == []
        assert (await house.gateway.run_journal.read(recent.id, 0, limit=10))[-1].kind == "result"
        assert await everything(house.gateway.journal, still_open.id)
        assert not (await house.run(old)).is_open


@pytest.mark.parametrize("keep_s", [0.0, DAY_S])
async def test_a_journal_without_its_run_is_found(keep_s: float) -> None:
    """However it came to be: a crash between two deletes of an older version, for one."""
    async with opened(keep_s) as house:
        orphan = new_id(house.clock.now())
        await append(house.gateway.journal, lines(orphan, [1, 2]), lines("no-run", [1]))
        assert await house.forgetting.sweep() == 0
        house.clock.advance(LONG_S)
        assert await house.forgetting.sweep() == 1
        assert await everything(house.gateway.journal, orphan) == []
        assert await everything(house.gateway.journal, "no-run")


async def test_what_is_kept_with_its_run_is_not_forgotten_before_it() -> None:
    """An archive that is away keeps runs in the ledger for long: their journals stay too."""
    async with opened() as house:
        run = await house.ended()
        house.clock.advance(LONG_S)
        assert await house.forgetting.sweep() == 0
        assert (await house.gateway.run_journal.read(run.id, 0, limit=10))[-1].kind == "result"


async def test_a_crash_between_two_deletes_leaves_a_run_that_is_deleted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as house:
        run = await house.ended()
        house.clock.advance(LONG_S)
        archiver = house.gateway.past.archiver
        assert archiver is not None
        book = house.gateway.stores.book

        async def crashes(*_: object) -> list[str]:
            raise StoreError("killed here")

        with monkeypatch.context() as patch:
            patch.setattr(book, "remove", crashes)
            with pytest.raises(StoreError):
                await archiver.purge()
        assert await everything(house.gateway.journal, run.id) == []
        assert await archiver.purge() == 1
        assert await book.get([run.id]) == [None]


async def test_who_follows_a_run_that_is_deleted_is_told() -> None:
    async with opened() as house:
        house.gateway.run_journal._ask_again_s = 0.05
        run = await house.submit("t", 1)
        await append(house.gateway.journal, lines(run.id, [1]))

        async def follow() -> list[int]:
            seen: list[int] = []
            async with aclosing(house.gateway.run_journal.follow(run.id, 0)) as pages:
                async for page in pages:
                    seen += [entry.seq for entry in page]
            return seen

        following = asyncio.create_task(follow())
        await asyncio.sleep(0)
        house.gateway.stores.book._runs.by_id.pop(run.id)  # type: ignore[attr-defined]
        async with asyncio.timeout(20):
            with pytest.raises(NotFound, match="JOURNAL_GONE"):
                await following
        with pytest.raises(NotFound):
            await house.gateway.desk.get(ADMIN, run.id)
