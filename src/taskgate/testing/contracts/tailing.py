"""`Journal.follow`: what is stored, then what is committed, without a gap or a repeat (INV-L1).

Readers of every pace see the same, and one that stands still costs neither memory nor the others' time (INV-S4).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing

from taskgate.journal.entry import Entry
from taskgate.journal.ports import Journal
from taskgate.testing.journals import append, everything, followed, lines, seqs

PATIENCE_S = 20.0


class FollowContract:
    """Fixture: `journal`, fresh."""

    async def test_stored_entries_come_first_then_live_ones(self, journal: Journal) -> None:
        await append(journal, lines("s", [1, 2, 3]))
        async with asyncio.timeout(PATIENCE_S), aclosing(journal.follow("s", 1)) as pages:
            assert seqs(await anext(pages)) == [2, 3]
            waiting = asyncio.ensure_future(anext(pages))
            await append(journal, lines("t", [1, 2]))
            await append(journal, lines("s", [4]))
            assert seqs(await waiting) == [4]

    async def test_a_follower_may_come_before_the_first_entry(self, journal: Journal) -> None:
        async with asyncio.timeout(PATIENCE_S), aclosing(journal.follow("s", 0)) as pages:
            waiting = asyncio.ensure_future(anext(pages))
            await append(journal, lines("s", [1, 2]))
            assert seqs(await waiting) == [1, 2]

    async def test_a_place_beyond_the_end_waits_for_it(self, journal: Journal) -> None:
        await append(journal, lines("s", [1]))
        async with asyncio.timeout(PATIENCE_S), aclosing(journal.follow("s", 3)) as pages:
            waiting = asyncio.ensure_future(anext(pages))
            for number in range(2, 6):
                await append(journal, lines("s", [number]))
            assert (await waiting)[0].seq == 4

    async def test_readers_of_every_pace_see_the_same(self, journal: Journal) -> None:
        """INV-L1, G-10: ten readers that join at any time, some slow, while eight streams are written."""
        count = 8 * 50 * 5
        joined = [asyncio.Event() for _ in range(10)]

        async def talk(stream: str) -> None:
            for turn in range(50):
                await append(journal, lines("s", range(turn * 5 + 1, turn * 5 + 6), stream=stream))
                if turn % 5 == 0:
                    joined[turn // 5].set()

        async def listen(number: int) -> list[Entry]:
            await joined[number].wait()
            found: list[Entry] = []
            async with aclosing(journal.follow("s", 0)) as pages:
                while len(found) < count:
                    found += await anext(pages)
                    for _ in range(number * 3):
                        await asyncio.sleep(0)
            return found

        async with asyncio.timeout(PATIENCE_S):
            readers = [asyncio.ensure_future(listen(number)) for number in range(10)]
            await asyncio.gather(*(talk(f"stream-{number}") for number in range(8)))
            stored = await everything(journal, "s")
            assert seqs(stored) == list(range(1, count + 1))
            for found in await asyncio.gather(*readers):
                assert found == stored

    async def test_a_reader_that_stands_still_loses_nothing(self, journal: Journal) -> None:
        """INV-S4: a flood of several pages goes by; others get it live, the slow one from the store."""
        text = "x" * 10_000
        async with asyncio.timeout(PATIENCE_S), aclosing(journal.follow("s", 0)) as slow:
            await append(journal, lines("s", [1], text=text))
            assert seqs(await anext(slow)) == [1]
            quick = asyncio.ensure_future(followed(journal, "s", count=500, after=1))
            for first in range(2, 502, 20):
                await append(journal, lines("s", range(first, first + 20), text=text))
            assert seqs(await quick) == list(range(2, 502))
            found: list[Entry] = []
            while len(found) < 500:
                page = await anext(slow)
                assert len(page) <= 300
                found += page
            assert seqs(found) == list(range(2, 502))

    async def test_a_writer_that_was_cancelled_withdraws_nothing(self, journal: Journal) -> None:
        """What it wrote is stored, or it is not; either way followers and the store agree."""
        async with asyncio.timeout(PATIENCE_S), aclosing(journal.follow("s", 0)) as pages:
            waiting = asyncio.ensure_future(anext(pages))
            writing = asyncio.ensure_future(append(journal, lines("s", [1])))
            await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait({writing})
            assert seqs(await waiting) == [1]
            assert seqs(await everything(journal, "s")) == [1]

    async def test_following_ends_when_it_is_told_to(self, journal: Journal) -> None:
        async with asyncio.timeout(PATIENCE_S):
            until: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            await append(journal, lines("s", [1, 2]))
            async with aclosing(journal.follow("s", 0, until=until)) as pages:
                assert seqs(await anext(pages)) == [1, 2]
                waiting = asyncio.ensure_future(anext(pages, None))
                await asyncio.sleep(0)
                until.set_result(None)
                assert await waiting is None
            async with aclosing(journal.follow("s", 0, until=until)) as ended:
                assert [page async for page in ended] == []

    async def test_followers_of_one_commit_share_its_form(self, journal: Journal) -> None:
        """What a door makes of a committed batch is made once, however many follow.

        A follower that has just come, or that a busy machine kept from its place, reads for itself; not every time.
        """
        made = Counter[int]()
        shown, grown = [b""] * 10, asyncio.Event()

        def form(entry: Entry) -> bytes:
            made[entry.seq] += 1
            return b"."

        async def listen(place: int) -> None:
            async with aclosing(journal.follow("s", 0)) as pages:
                async for page in pages:
                    shown[place] += page.rendered(form)
                    grown.set()

        readers = [asyncio.ensure_future(listen(place)) for place in range(len(shown))]
        try:
            async with asyncio.timeout(PATIENCE_S):
                for first in range(1, 2001, 10):
                    await append(journal, lines("s", range(first, first + 10)))
                    while min(map(len, shown)) < first + 9:
                        grown.clear()
                        await grown.wait()
                    if all(made[seq] == 1 for seq in range(first, first + 10)):
                        return
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
        raise AssertionError("no commit's form was made once for all")
