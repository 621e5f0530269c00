"""A run's journal with its end: readers that come before, during and after it see one sequence (INV-L1, INV-L2)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from taskgate.journal.entry import Entry
from taskgate.journal.page import Page
from taskgate.journal.ports import Journal
from taskgate.journal.reading import Ending, RunJournal
from taskgate.stores.memory.journal import MemoryJournal
from taskgate.stores.sqlite.journal import SqliteJournal
from taskgate.testing.journals import append, lines, seqs

PATIENCE_S = 20.0


class Ends:
    """The ends of runs, told at once, told late, or never told and only found when asked."""

    def __init__(self) -> None:
        self.known: dict[str, Ending] = {}
        self.watched: dict[str, set[asyncio.Future[Any]]] = {}
        self.asked_count = 0

    async def of(self, subject: str) -> Ending | None:
        self.asked_count += 1
        await asyncio.sleep(0)
        return self.known.get(subject)

    def watch(self, subject: str) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        self.watched.setdefault(subject, set()).add(future)
        future.add_done_callback(self.watched[subject].discard)
        return future

    def end(self, subject: str = "s", status: str = "succeeded", *, told: bool = True, **fields: Any) -> None:
        self.known[subject] = Ending(status=status, at=5.0, attempt=2, fields=fields)
        if told:
            self.tell(subject)

    def tell(self, subject: str) -> None:
        for future in tuple(self.watched.get(subject, ())):
            if not future.done():
                future.set_result(None)


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    made = SqliteJournal(tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def runs(journal: Journal, ends: Ends) -> RunJournal:
    return RunJournal(journal, ends)


async def read_all(runs: RunJournal, after: int = 0, *, limit: int = 1000) -> list[Entry]:
    found: list[Entry] = []
    while page := await runs.read("s", found[-1].seq if found else after, limit=limit):
        found += page
    return found


async def follow_all(runs: RunJournal, after: int = 0, on_page: Callable[[Page], None] = lambda _: None) -> list[Entry]:
    found: list[Entry] = []
    async with asyncio.timeout(PATIENCE_S):
        async for page in runs.follow("s", after):
            found += page
            on_page(page)
    return found


def proven(entries: list[Entry]) -> bool:
    """Whether a reader can prove from the last entry that it has all that stand before it (INV-L2)."""
    *before, last = entries
    digest = hashlib.sha256()
    for entry in before:
        digest.update(f"{entry.seq}\t{entry.kind}\t{entry.stream}\t{entry.text}\n".encode())
    claimed = (last.fields["count"], last.fields["sha256"])
    return last.kind == "result" and claimed == (len(before), digest.hexdigest())


async def test_the_result_proves_what_stands_before_it(journal: Journal, ends: Ends, runs: RunJournal) -> None:
    """INV-L2: status, error, count and hash, numbered behind the last stored entry and never stored."""
    await append(journal, lines("s", range(1, 2501), text="ü\t\n"))
    assert {entry.kind for entry in await read_all(runs)} == {"log"}
    ends.end(status="failed", error={"code": "BROKEN", "message": "no"})
    found = await read_all(runs)
    assert seqs(found) == list(range(1, 2502))
    assert proven(found)
    assert not proven([*found[:7], found[8], *found[8:]])
    last = found[-1]
    assert (last.at, last.attempt, last.text) == (5.0, 2, "failed")
    assert list(last.fields) == ["status", "error", "count", "sha256"]
    assert (last.fields["status"], last.fields["error"]["code"]) == ("failed", "BROKEN")
    assert len(await journal.read("s", 2500, limit=10)) == 0


async def test_a_run_without_entries_has_an_end(ends: Ends, runs: RunJournal) -> None:
    assert await read_all(runs) == []
    ends.end(status="cancelled")
    found = await read_all(runs)
    assert seqs(found) == [1]
    assert proven(found)
    assert await follow_all(runs) == found


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7])
async def test_pages_of_any_size_lead_to_the_end(journal: Journal, ends: Ends, runs: RunJournal, limit: int) -> None:
    await append(journal, lines("s", range(1, 6)))
    ends.end()
    pages, after = [], 0
    while page := await runs.read("s", after, limit=limit):
        assert len(page) <= limit
        pages.append(page)
        after = page[-1].seq
    assert seqs([entry for page in pages for entry in page]) == [1, 2, 3, 4, 5, 6]


async def test_readers_before_during_and_after_see_the_same(journal: Journal, ends: Ends, runs: RunJournal) -> None:
    """INV-L1: ten followers, two of them there before anything was, others joining until long after the end."""
    readers = [asyncio.ensure_future(follow_all(runs)) for _ in range(2)]
    for number in range(1, 201):
        await append(journal, lines("s", [number]))
        if number % 50 == 0:
            readers.append(asyncio.ensure_future(follow_all(runs)))
    last = asyncio.ensure_future(append(journal, lines("s", [201, 202])))
    readers.append(asyncio.ensure_future(follow_all(runs)))
    await last
    ends.end()
    readers += [asyncio.ensure_future(follow_all(runs)) for _ in range(2)]
    found = await asyncio.gather(*readers)
    found += [await follow_all(runs), await read_all(runs)]
    assert seqs(found[0]) == list(range(1, 204))
    assert proven(found[0])
    assert all(other == found[0] for other in found)


@pytest.mark.parametrize("after", range(6))
async def test_a_reader_resumes_anywhere(journal: Journal, ends: Ends, runs: RunJournal, after: int) -> None:
    """INV-L1: behind any number, the result's own included; what has been seen does not come again."""
    await append(journal, lines("s", range(1, 4)))
    early = asyncio.ensure_future(follow_all(runs, after))
    await asyncio.sleep(0)
    ends.end()
    for found in (await early, await follow_all(runs, after), await read_all(runs, after)):
        assert seqs(found) == list(range(after + 1, 5))


async def test_what_is_late_is_in_no_ones_journal(journal: Journal, ends: Ends, runs: RunJournal) -> None:
    """The lines of a writer that lost its right: shown to all or, once an end was shown, to none."""
    await append(journal, lines("s", [1]))
    ends.end(told=False)
    late = [asyncio.ensure_future(append(journal, lines("s", [1], stream=str(number)))) for number in range(5)]
    first = await read_all(runs)
    await asyncio.wait(late)
    await append(journal, lines("s", [2, 3]))
    assert proven(first)
    assert await read_all(runs) == first == await follow_all(runs)


@pytest.mark.parametrize("turns", range(8))
async def test_an_end_at_any_moment_is_seen(journal: Journal, ends: Ends, runs: RunJournal, turns: int) -> None:
    """The race of a follower's first look with the end: watched before asked, so it never waits for the next look."""
    await append(journal, lines("s", [1]))
    reading = asyncio.ensure_future(follow_all(RunJournal(journal, ends, ask_again_s=PATIENCE_S * 2)))
    for _ in range(turns):
        await asyncio.sleep(0)
    writing = asyncio.ensure_future(append(journal, lines("s", [2])))
    ends.end()
    found = await reading
    await writing
    assert proven(found)
    assert found == await read_all(runs)


async def test_an_end_that_nobody_told_is_found(journal: Journal, ends: Ends) -> None:
    """Another gateway ended the run: the follower asks again by itself."""
    runs = RunJournal(journal, ends, ask_again_s=0.01)
    seen = asyncio.Event()
    await append(journal, lines("s", [1]))
    reading = asyncio.ensure_future(follow_all(runs, 0, lambda _: seen.set()))
    await seen.wait()
    await append(journal, lines("s", [2]))
    ends.end(told=False)
    assert seqs(await reading) == [1, 2, 3]


async def test_a_false_alarm_ends_nothing(journal: Journal, ends: Ends, runs: RunJournal) -> None:
    reading = asyncio.ensure_future(follow_all(runs))
    for number in range(1, 6):
        asked_count = ends.asked_count
        ends.tell("s")
        async with asyncio.timeout(PATIENCE_S):
            while ends.asked_count == asked_count or not ends.watched["s"]:
                ends.tell("s")
                await asyncio.sleep(0)
        await append(journal, lines("s", [number]))
    ends.end()
    assert seqs(await reading) == [1, 2, 3, 4, 5, 6]


async def test_a_reader_that_leaves_leaves_nothing(journal: Journal, ends: Ends, runs: RunJournal) -> None:
    """No watch and no follower stays behind, wherever the reader was."""
    for turns in range(6):
        async with aclosing(runs.follow("s", 0)) as pages:
            step = asyncio.ensure_future(anext(pages))
            for _ in range(turns):
                await asyncio.sleep(0)
            step.cancel()
            await asyncio.wait({step})
    await append(journal, lines("s", [1]))
    async with aclosing(runs.follow("s", 0)) as pages:
        assert seqs(await anext(pages)) == [1]
    await asyncio.sleep(0)
    assert not ends.watched["s"]
    assert not journal._tail._stretches  # type: ignore[attr-defined]


async def test_many_readers_hash_an_end_once(journal: Journal, ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = RunJournal(journal, ends)
    hashed: list[str] = []
    hash_once = runs._hash

    async def counted(run_id: str, last_seq: int) -> str:
        hashed.append(run_id)
        return await hash_once(run_id, last_seq)

    monkeypatch.setattr(runs, "_hash", counted)
    await append(journal, lines("s", range(1, 100)))
    ends.end()
    readers = [asyncio.ensure_future(follow_all(runs, 99)) for _ in range(10)]
    await asyncio.sleep(0)
    readers[0].cancel()
    found = await asyncio.gather(*readers[1:])
    assert all(seqs(entries) == [100] for entries in found)
    await read_all(runs)
    assert len(hashed) == 1
