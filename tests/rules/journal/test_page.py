"""Pages: bounded pieces of a journal, each encoded once whoever reads it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.journal.entry import Entry
from taskgate.journal.numbering import cost
from taskgate.journal.page import PAGE_BYTES, Page, cut, joined


def entries(count: int, first: int = 1, text: str = "x") -> list[Entry]:
    return [Entry(seq=first + place, kind="log", at=0.0, text=text) for place in range(count)]


class Door:
    """A form that counts what it is asked for."""

    def __init__(self) -> None:
        self.shown: list[int] = []

    def form(self, entry: Entry) -> bytes:
        self.shown.append(entry.seq)
        return b"%d;" % entry.seq


def test_a_page_is_rendered_once() -> None:
    door = Door()
    form = door.form
    page = Page(entries(3))
    assert [page.rendered(form) for _ in range(3)] == [b"1;2;3;"] * 3
    assert door.shown == [1, 2, 3]
    assert page.rendered(lambda entry: b"-") == b"---"


def test_a_page_of_pages_uses_what_they_know() -> None:
    door = Door()
    form = door.form
    one, two = Page(entries(2)), Page(entries(2, 3))
    both = joined([one, two])
    assert joined([one]) is one
    assert both == entries(4)
    assert both.size_bytes == one.size_bytes + two.size_bytes
    assert one.rendered(form) + two.rendered(form) == both.rendered(form) == b"1;2;3;4;"
    assert door.shown == [1, 2, 3, 4]


@given(sizes=st.lists(st.integers(0, 400), max_size=30), limit=st.integers(0, 30), max_bytes=st.integers(0, 3000))
def test_a_cut_is_the_longest_that_fits(sizes: list[int], limit: int, max_bytes: int) -> None:
    whole = [Entry(seq=place, kind="log", at=0.0, text="x" * size) for place, size in enumerate(sizes, 1)]
    page = cut(whole, limit, max_bytes=max_bytes)
    assert page == whole[: len(page)]
    assert len(page) <= limit
    assert page.size_bytes == sum(map(cost, page))
    assert page.size_bytes <= max_bytes or len(page) == 1
    if len(page) < min(limit, len(whole)):
        assert page.size_bytes + cost(whole[len(page)]) > max_bytes
        assert page


def test_a_cut_takes_no_more_than_it_needs() -> None:
    """What reads entries from a store is asked for one more than a page at most."""
    asked = iter(entries(100, text="x" * (PAGE_BYTES // 4)))
    assert len(cut(asked, 100)) == 3
    assert len(list(asked)) == 96
