"""Journals in memory and on SQLite hold one contract and answer every history alike (INV-L1, INV-L3, INV-S4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings

from taskgate.errors import Unavailable
from taskgate.journal.numbering import MAX_SUBJECT_BYTES
from taskgate.journal.ports import Journal
from taskgate.stores.memory.journal import MemoryJournal
from taskgate.stores.sqlite.journal import SqliteJournal
from taskgate.testing.contracts.journal import SMALL_BYTES, JournalContract
from taskgate.testing.journals import Command, append, everything, followed, histories, lines, play, seqs

HISTORY_BYTES = 900  # small enough that histories fill subjects


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def journal(self) -> Journal:
        return MemoryJournal()

    @pytest.fixture
    def small_journal(self) -> Journal:
        return MemoryJournal(limit_bytes=SMALL_BYTES)


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    async def journal(self, tmp_path: Path) -> AsyncIterator[Journal]:
        async for journal in opened(tmp_path):
            yield journal

    @pytest.fixture
    async def small_journal(self, tmp_path: Path) -> AsyncIterator[Journal]:
        async for journal in opened(tmp_path, limit_bytes=SMALL_BYTES):
            yield journal


async def opened(folder: Path, *, limit_bytes: int = MAX_SUBJECT_BYTES) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(folder, limit_bytes=limit_bytes)
    await journal.start()
    try:
        yield journal
    finally:
        await journal.stop()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, SqliteJournal]]:
    """One journal on SQLite for all histories; each has subjects of its own."""
    journal = SqliteJournal(tmp_path_factory.mktemp("histories"), limit_bytes=HISTORY_BYTES)
    with asyncio.Runner() as runner:
        runner.run(journal.start())
        yield runner, journal
        runner.run(journal.stop())


names = count()


@settings(max_examples=150, deadline=None)
@given(history=histories)
def test_every_history_has_the_same_answers(
    table: tuple[asyncio.Runner, SqliteJournal], history: list[Command]
) -> None:
    runner, journal = table
    expected = runner.run(play(MemoryJournal(limit_bytes=HISTORY_BYTES), history))
    assert runner.run(play(journal, history, name=f"{next(names)}-")) == expected


async def test_a_restart_keeps_numbers_and_sources(tmp_path: Path) -> None:
    """INV-L1 and INV-L2: what was acknowledged is there, and repeats after the restart are still repeats."""
    async for journal in opened(tmp_path):
        await append(journal, lines("s", [1, 2, 3]), lines("s", [1], stream="stderr"))
        await journal.seal("s")
    async for journal in opened(tmp_path):
        verdicts = await append(journal, lines("s", [2, 3, 4]), lines("s", [1, 2], stream="stderr"))
        assert [verdict.added_count for verdict in verdicts] == [1, 1]
        assert seqs(await everything(journal, "s")) == [1, 2, 3, 4, 5, 6]


async def test_a_refused_commit_leaves_no_trace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A batch that could not be committed is neither stored, nor numbered, nor shown; sent again it is new."""
    broken = False

    def probe(place: str) -> None:
        if broken and place == "before_commit":
            raise Unavailable("the disk of the store is full")

    journal = SqliteJournal(tmp_path, probe=probe)
    await journal.start()
    with caplog.at_level(logging.CRITICAL):
        await append(journal, lines("s", [1]))
        following = asyncio.ensure_future(followed(journal, "s", count=2))
        broken = True
        with pytest.raises(Unavailable):
            await append(journal, lines("s", [2, 3]))
        broken = False
        assert seqs(await everything(journal, "s")) == [1]
        assert [verdict.added_count for verdict in await append(journal, lines("s", [2]))] == [1]
        assert seqs(await following) == [1, 2]
        assert await journal.seal("s") == 2
    await journal.stop()
