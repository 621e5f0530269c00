"""The live end: what is kept for all followers together is bounded, and a place is never lost (INV-L1, INV-S4)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.journal.entry import Entry
from taskgate.journal.page import Page
from taskgate.journal.tail import KEPT_BYTES, Stretch


def page(first: int, count: int, size: int = 10) -> Page:
    return Page(Entry(seq=first + place, kind="log", at=0.0, text="x" * size) for place in range(count))


def kept(stretch: Stretch) -> int:
    return sum(page.size_bytes for page in stretch._pages)


def test_an_empty_stretch_knows_nothing() -> None:
    assert Stretch().behind(0) is None


@given(
    pages=st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from([1, 1000, KEPT_BYTES // 4, 2 * KEPT_BYTES])), max_size=20
    ),
    start=st.integers(0, 3),
)
def test_every_place_is_answered_rightly_or_not_at_all(pages: list[tuple[int, int]], start: int) -> None:
    """Behind any number: all that follows it, whole pages as they were published; or the store has to be asked."""
    stretch, last = Stretch(), start
    for count, size in pages:
        published = page(last + 1, count, size)
        stretch.push(published)
        last += count
        assert kept(stretch) <= KEPT_BYTES or len(stretch._pages) == 1
        for after in range(last + 2):
            found = stretch.behind(after)
            if found is None:
                assert stretch._pages[0][0].seq > after + 1
            else:
                assert [entry.seq for entry in found] == list(range(after + 1, last + 1))
        assert stretch.behind(last - count) is published
        newest = stretch.behind(last - 1)
        assert newest is not None
        assert newest[-1] is published[-1]


def test_a_page_that_does_not_continue_makes_a_new_beginning() -> None:
    stretch = Stretch()
    stretch.push(page(1, 3))
    stretch.push(page(6, 2))
    assert stretch.behind(0) is None
    assert stretch.behind(3) is None
    found = stretch.behind(5)
    assert found is not None
    assert [entry.seq for entry in found] == [6, 7]
