"""Entries on their way to readers: bounded pieces that are encoded once, however many read them.

A committed batch is one page and is shared by all who follow its subject. A door turns it into its own form with
`rendered`, and the page keeps that; a page put together from shared ones puts their forms together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from taskgate.journal.entry import Entry
from taskgate.journal.numbering import cost

PAGE_BYTES = 1 << 20
CHUNK_BYTES = 128 << 10  # a stored chunk is decoded whole, so it is not larger than what a reader asks for

Form = Callable[[Entry], bytes]


class Page(list[Entry]):
    """Entries of one subject, in order and without a gap. Shared: nobody changes it. `size_bytes` as counted."""

    __slots__ = ("_parts", "_rendered", "size_bytes")

    def __init__(self, entries: Iterable[Entry] = (), *, size_bytes: int | None = None) -> None:
        super().__init__(entries)
        self.size_bytes = sum(map(cost, self)) if size_bytes is None else size_bytes
        self._parts: Sequence[Page] = ()
        self._rendered: tuple[Form, bytes] | None = None

    def rendered(self, form: Form) -> bytes:
        """All entries in a door's form, one behind the other; made once per page."""
        known = self._rendered
        if known is not None and known[0] is form:
            return known[1]
        if self._parts:
            return b"".join([part.rendered(form) for part in self._parts])
        made = b"".join(map(form, self))
        self._rendered = (form, made)
        return made


def joined(parts: Sequence[Page]) -> Page:
    """One page of several that follow each other; a single one is itself."""
    if len(parts) == 1:
        return parts[0]
    page = Page((entry for part in parts for entry in part), size_bytes=sum(part.size_bytes for part in parts))
    page._parts = parts
    return page


def cut(entries: Iterable[Entry], limit: int, *, max_bytes: int = PAGE_BYTES) -> Page:
    """The first entries, at most `limit` and at most `max_bytes`, but one at least when there is one."""
    taken: list[Entry] = []
    size = 0
    for entry in entries:
        size += (own := cost(entry))
        if len(taken) >= limit or (size > max_bytes and taken):
            size -= own
            break
        taken.append(entry)
    return Page(taken, size_bytes=size)


def chunks_of(page: Page) -> Iterator[Page]:
    """A page in the pieces that a store keeps and reads whole: one, unless it is large."""
    if page.size_bytes <= CHUNK_BYTES:
        yield page
        return
    start = 0
    while start < len(page):
        chunk = cut(islice(page, start, None), len(page), max_bytes=CHUNK_BYTES)
        yield chunk
        start += len(chunk)
