"""The live end: what is kept for all followers together is bounded, and a place is never lost (INV-L1, INV-S4)."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from taskgate.journal.entry import Entry
from taskgate.journal.page import PAGE_BYTES, Page
from taskgate.journal.tail import Stretch, Tail

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
