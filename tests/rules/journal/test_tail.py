"""The live end: what is kept for all followers together is bounded, and a place is never lost (INV-L1, INV-S4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.journal.entry import Entry
from taskgate.journal.page import PAGE_BYTES, Page
from taskgate.journal.tail import Stretch, Tail
from taskgate.stores.memory.relay import MemoryTailRelay
from taskgate.testing.relays import UnreliableRelay

SMALL_BYTES = 4000


def page(first: int, count: int, size: int = 10) -> Page:
    return Page(Entry(seq=first + place, kind="log", at=0.0, text="x" * size) for place in range(count))


def stretch_of(tail: Tail, subject: str = "s") -> Stretch:
    """The subject's stretch, as if somebody followed it."""
    return tail._stretches.setdefault(subject, Stretch())


def kept(tail: Tail) -> int:
    return sum(page.size_bytes for stretch in tail._stretches.values() for page in stretch.pages)


def test_an_empty_stretch_knows_nothing() -> None:
    assert Stretch().behind(0) is None


@given(
    pages=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(1, 5), st.sampled_from([1, 100, SMALL_BYTES // 4, SMALL_BYTES])),
        max_size=25,
    ),
    start=st.integers(0, 3),
)
def test_every_place_is_answered_rightly_or_not_at_all(pages: list[tuple[str, int, int]], start: int) -> None:
    """Behind any number: all that follows it, whole pages as they were published; or the store has to be asked."""
    tail, last = Tail(kept_bytes=SMALL_BYTES), {"a": start, "b": start}
    stretches = {subject: stretch_of(tail, subject) for subject in last}
    for subject, count, size in pages:
        published = page(last[subject] + 1, count, size)
        tail.publish(subject, published)
        last[subject] += count
        assert tail.size_bytes == kept(tail)
        assert tail.size_bytes <= SMALL_BYTES or len(tail._kept) == 1
        assert stretches[subject].behind(last[subject] - count) is published
        for name, stretch in stretches.items():
            for after in range(last[name] + 2):
                found = stretch.behind(after)
                if found is None:
                    assert not stretch.pages or stretch.pages[0][0].seq > after + 1
                else:
                    assert [entry.seq for entry in found] == list(range(after + 1, last[name] + 1))


def test_what_is_given_at_once_is_bounded() -> None:
    """A reader far behind is given pages of a page's size, one after the other."""
    tail = Tail()
    stretch = stretch_of(tail)
    for first in range(1, 101, 2):
        tail.publish("s", page(first, 2, PAGE_BYTES // 10))
    after, sizes = 0, []
    while found := stretch.behind(after):
        assert found[0].seq == after + 1
        after = found[-1].seq
        sizes.append(found.size_bytes)
    assert after == 100
    assert max(sizes) <= PAGE_BYTES
    assert len(sizes) == 13
    tail.publish("s", page(101, 1, 3 * PAGE_BYTES))
    assert [entry.seq for entry in stretch.behind(100) or []] == [101]


def test_a_page_that_does_not_continue_makes_a_new_beginning() -> None:
    tail = Tail()
    stretch = stretch_of(tail)
    tail.publish("s", page(1, 3))
    tail.publish("s", page(6, 2))
    assert stretch.behind(0) is None
    assert stretch.behind(3) is None
    assert [entry.seq for entry in stretch.behind(5) or []] == [6, 7]
    assert tail.size_bytes == kept(tail)


async def test_nothing_is_kept_for_nobody() -> None:
    tail, stored = Tail(), list[Entry]()

    async def read(_subject: str, after: int, limit: int) -> Page:
        return Page(stored[after : after + limit])

    tail.publish("s", page(1, 3))
    follower = tail.follow("s", 3, until=None, read=read)
    waiting = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    tail.publish("s", page(4, 2))
    tail.publish("t", page(1, 2))
    assert [entry.seq for entry in await waiting] == [4, 5]
    assert tail.size_bytes == page(4, 2).size_bytes
    await follower.aclose()
    assert tail.size_bytes == 0
    assert not tail._kept


class Store:
    """What two gateways share: entries of one subject, and a read that gives others a turn, as a real one does."""

    def __init__(self, look_again_s: float = 60.0) -> None:
        self.entries: list[Entry] = []
        self.relay = MemoryTailRelay()
        self.look_again_s = look_again_s
        self.read_count = 0

    def gateway(self, relay: UnreliableRelay | None = None) -> Tail:
        return Tail(relay=relay or self.relay, look_again_s=self.look_again_s, kept_bytes=SMALL_BYTES)

    def write(self, count: int) -> list[tuple[str, Page]]:
        fresh = page(len(self.entries) + 1, count)
        self.entries += fresh
        return [("s", fresh)]

    async def read(self, _subject: str, after: int, limit: int) -> Page:
        self.read_count += 1
        found = Page(self.entries[after : after + limit])
        await asyncio.sleep(0)
        return found

    async def followed(self, tail: Tail, count: int, pause: Callable[[], int] = lambda: 0) -> list[int]:
        found: list[int] = []
        async with asyncio.timeout(20), aclosing(tail.follow("s", 0, until=None, read=self.read)) as pages:
            while len(found) < count:
                found += [entry.seq for entry in await anext(pages)]
                for _ in range(pause()):
                    await asyncio.sleep(0)
        return found


async def until_following(tail: Tail) -> None:
    """Until those who follow have read the store and wait."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert tail._stretches["s"].followers


async def test_a_page_of_another_gateway_wakes_followers_here() -> None:
    """And nothing of it is read from the store."""
    store = Store()
    here, there = store.gateway(), store.gateway()
    following = asyncio.ensure_future(store.followed(here, 4))
    await until_following(here)
    asked = store.read_count
    there.tell(store.write(2))
    there.tell(store.write(2))
    assert await following == [1, 2, 3, 4]
    assert store.read_count == asked


async def test_pages_that_are_known_or_late_change_nothing() -> None:
    store = Store()
    here = store.gateway()
    following = asyncio.ensure_future(store.followed(here, 8))
    await until_following(here)
    first, second = store.write(3), store.write(3)
    overlapping = page(5, 4)
    store.entries += overlapping[2:]
    for pages in (first, second, first, second, [("s", overlapping)], first):
        store.relay.send(pages)
    assert await following == list(range(1, 9))


async def test_a_gap_is_filled_from_the_store() -> None:
    store = Store()
    here = store.gateway()
    following = asyncio.ensure_future(store.followed(here, 6))
    await until_following(here)
    store.relay.send(store.write(2))
    store.write(2)
    store.relay.send(store.write(2))
    assert await following == [1, 2, 3, 4, 5, 6]


async def test_an_empty_page_has_the_store_read_again() -> None:
    store = Store()
    here = store.gateway()
    following = asyncio.ensure_future(store.followed(here, 4))
    await until_following(here)
    store.relay.send(store.write(2))
    store.write(2)
    store.relay.send([("s", Page())])
    assert await following == [1, 2, 3, 4]


async def test_a_lost_page_is_missed_for_a_while_alone() -> None:
    """Nothing comes behind it that would prove the gap; nor may one who joins then believe what is kept."""
    store = Store(look_again_s=0.05)
    here = store.gateway()
    first = asyncio.ensure_future(store.followed(here, 4))
    await until_following(here)
    store.relay.send(store.write(2))
    store.write(2)
    assert await first == [1, 2, 3, 4]
    store.look_again_s = 60.0
    there = store.gateway()
    waiting = asyncio.ensure_future(store.followed(there, 8))
    await until_following(there)
    store.relay.send(store.write(2))
    store.write(2)
    async with asyncio.timeout(20), aclosing(there.follow("s", 6, until=None, read=store.read)) as pages:
        assert [entry.seq for entry in await anext(pages)] == [7, 8]
    waiting.cancel()


async def test_the_relay_brings_nothing_for_nobody() -> None:
    store = Store()
    here = store.gateway()
    followers = [asyncio.ensure_future(store.followed(here, 2)) for _ in range(3)]
    await until_following(here)
    assert len(store.relay._following["s"]) == 1
    followers[0].cancel()
    await asyncio.wait({followers[0]})
    assert len(store.relay._following["s"]) == 1
    store.relay.send(store.write(2))
    await asyncio.gather(*followers[1:])
    assert not store.relay._following


@pytest.mark.parametrize("seed", range(12))
async def test_followers_never_notice_what_a_relay_does_wrong(seed: int) -> None:
    """INV-L1: losses, repeats, late and empty pages, three gateways writing, followers that come at any time."""
    rng, store = Random(seed), Store(look_again_s=0.02)
    tails = [store.gateway(UnreliableRelay(store.relay, rng)) for _ in range(3)]
    followers: list[asyncio.Future[list[int]]] = []
    for turn in range(60):
        rng.choice(tails).tell(store.write(rng.randint(1, 4)))
        if turn % 6 == 0:
            followers.append(asyncio.ensure_future(store.followed(rng.choice(tails), 150, lambda: rng.randrange(9))))
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
    store.write(150)
    for found in await asyncio.gather(*followers):
        assert found == list(range(1, len(found) + 1))
