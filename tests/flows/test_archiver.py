"""Ended runs leave the ledger only when the archive has them, whatever fails in between."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from taskgate.errors import NotFound, Unavailable
from taskgate.history.archiver import Archiver
from taskgate.history.ports import HistoryFilter
from taskgate.history.reading import History
from taskgate.history.settings import ArchiveSettings
from taskgate.identity.principal import Principal
from taskgate.runs.run import Run, Status
from taskgate.stores.memory.archive import MemoryEndedRuns, MemoryRunArchive
from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.journal import MemoryJournal
from taskgate.stores.memory.leadership import MemoryLeadership
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.testing.archives import ended_run
from taskgate.testing.clock import ManualClock
from taskgate.testing.stage import RunStage

DELAY_S, KEEP_S, ARCHIVE_S = 60.0, 1000.0, 5000.0
READER = Principal(id="k", name="reader", scopes=frozenset({"read"}), site_id="site-a")


class Archive(MemoryRunArchive):
    """An archive that can be away; `seen` is every run that it was ever given."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.seen: list[str] = []

    async def record(self, runs: Sequence[Run]) -> None:
        if self.is_away:
            raise Unavailable("away", code="ARCHIVE_AWAY")
        self.seen += [run.id for run in runs]
        await super().record(runs)


class Office:
    """An archiver over a ledger in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.leadership = MemoryLeadership(self.clock)
        self.runs = MemoryRuns(self.clock, self.leadership)
        self.archive = Archive()
        self.stage = RunStage(ledger=MemoryRunLedger(self.runs), book=MemoryRunBook(self.runs), clock=self.clock)
        self.archiver = self.another()

    def another(self) -> Archiver:
        return Archiver(
            self.archive,
            MemoryEndedRuns(self.runs),
            book=self.stage.book,
            journal=MemoryJournal(),
            leadership=self.leadership,
            clock=self.clock,
            settings=ArchiveSettings(delay_s=DELAY_S, keep_s=ARCHIVE_S),
            keep_ended_s=KEEP_S,
        )


async def test_a_run_is_copied_after_its_delay_and_only_once() -> None:
    office = Office()
    run = await office.stage.ended()
    assert not await office.archiver.copy()
    office.clock.advance(DELAY_S)
    assert await office.archiver.copy()
    assert not await office.archiver.copy()
    assert await office.archive.get([run.id]) == [run]
    assert office.archiver.copied_count == 1
    again = office.another()
    assert await again.copy()
    assert office.archive.seen == [run.id], "a walk that begins anew copies what the archive has"


async def test_open_runs_are_none_of_its_business() -> None:
    office = Office()
    run = await office.stage.accepted()
    office.clock.advance(KEEP_S * 2)
    assert not await office.archiver.copy()
    assert await office.archiver.purge() == 0
    assert await office.archiver.keep([run.id]) == 0


async def test_purging_copies_what_the_walk_has_missed() -> None:
    """A run whose end was committed behind the walk's back is still not lost."""
    office = Office()
    early = await office.stage.ended()
    office.clock.advance(DELAY_S + 10)
    assert await office.archiver.copy()
    late = await office.stage.ended()
    office.runs.by_id[late.id] = late = replace(late, ended_at=(early.ended_at or 0.0) - 5.0)
    assert not await office.archiver.copy()
    office.clock.advance(KEEP_S)
    assert await office.archiver.purge() == 2
    assert await office.archive.get([late.id, early.id]) == [late, early]
    assert await office.stage.book.get([late.id, early.id]) == [None, None]


async def test_what_stopped_after_its_copy_is_told_at_the_purge() -> None:
    office = Office()
    run = await office.stage.ended(Status.CANCELLED)
    office.clock.advance(DELAY_S)
    await office.archiver.copy()
    await office.stage.book.mark_stopped(run.id, run.attempt)
    stopped = await office.stage.whole(run)
    office.clock.advance(KEEP_S)
    await office.archiver.purge()
    assert await office.archive.get([run.id]) == [stopped]


async def test_nothing_is_purged_while_the_archive_is_away_and_it_catches_up() -> None:
    office = Office()
    ids = [(await office.stage.ended()).id for _ in range(30)]
    office.clock.advance(KEEP_S + 1)
    office.archive.is_away = True
    for verb in (office.archiver.copy, office.archiver.purge):
        with pytest.raises(Unavailable):
            await verb()
    assert None not in await office.stage.book.get(ids)
    office.archive.is_away = False
    assert await office.archiver.purge() == 30
    assert sorted(office.archive.seen) == ids


async def test_the_backlog_is_how_far_it_is_behind() -> None:
    office = Office()
    await office.stage.ended()
    office.clock.advance(DELAY_S)
    await office.archiver.copy()
    assert office.archiver.backlog_s == 0.0
    await office.stage.ended()
    office.archive.is_away = True
    office.clock.advance(DELAY_S + 500)
    office.archiver._complain(Unavailable("away"))
    assert office.archiver.backlog_s == pytest.approx(DELAY_S + 500)


async def test_the_archive_forgets_after_its_own_time() -> None:
    office = Office()
    run = await office.stage.ended()
    await office.archiver.keep([run.id])
    office.clock.advance(ARCHIVE_S - 1)
    assert await office.archiver.forget() == 0
    office.clock.advance(2)
    assert await office.archiver.forget() == 1


async def test_inv_a1_history_shows_a_site_its_own() -> None:
    archive = MemoryRunArchive()
    run = ended_run()
    await archive.record([run])
    history = History(archive)
    assert await history.get(READER, run.id) == run
    strangers = [
        Principal(id="k", name="n", scopes=frozenset({"admin"}), site_id="site-b"),
        Principal(id="k", name="n", scopes=frozenset({"read"}), site_id="site-a", user_id="u2"),
    ]
    for stranger in strangers:
        with pytest.raises(NotFound):
            await history.get(stranger, run.id)
        assert await history.find(stranger, HistoryFilter(site_id="site-a", user_id="u1")) == []
        assert [page async for page in history.export(stranger, HistoryFilter(site_id="site-a"))] == []


async def test_an_export_gives_every_run_once_while_others_come() -> None:
    archive = MemoryRunArchive()
    await archive.record([ended_run(number) for number in range(1, 451)])
    seen: list[str] = []
    async for page in History(archive).export(READER, HistoryFilter(site_id="site-a")):
        seen += [run.id for run in page]
        await archive.record([ended_run(1000 + len(seen))])
    assert seen == [ended_run(number).id for number in range(450, 0, -1)]
