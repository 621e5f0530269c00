"""The live end of journals: committed pages handed to whoever follows, without a gap or a repeat.

For subjects that somebody follows the latest pages are kept, once for all their followers; of all pages kept
together the oldest go first beyond `KEPT_BYTES`. A follower is nothing but its place: it reads the store until the
kept pages reach back to that place, then takes them, then waits for news. One that falls behind them reads the store
again. So a slow reader costs nothing of its own and slows nobody (INV-S4).
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count

from taskgate.journal.page import PAGE_BYTES, Page, joined

KEPT_BYTES = 16 << 20  # about two seconds of 50,000 lines a second: a reader that stutters still shares its pages
PAGE = 1000
Read = Callable[[str, int, int], Awaitable[Page]]


class Stretch:
    """The latest pages of one subject, each with its number among all that are kept, and the followers to wake."""

    __slots__ = ("followers", "numbers", "pages")

    def __init__(self) -> None:
        self.pages: deque[Page] = deque()
        self.numbers: deque[int] = deque()
        self.followers: set[asyncio.Event] = set()

    def behind(self, after: int) -> Page | None:
        """What is kept after `after`, a page of about `PAGE_BYTES` at most; None when the store has to be asked."""
        pages = self.pages
        if not pages or pages[0][0].seq > after + 1:
            return None
        place = bisect_right(pages, after, key=lambda page: page[-1].seq)
        if place == len(pages):
            return Page()
        first = pages[place]
        parts = [first if first[0].seq > after else Page(first[after + 1 - first[0].seq :])]
        size = parts[0].size_bytes
        while (place := place + 1) < len(pages) and (size := size + pages[place].size_bytes) <= PAGE_BYTES:
            parts.append(pages[place])
        return joined(parts)


class Tail:
    """Stretches by subject, kept while somebody follows."""

    def __init__(self, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._stretches: dict[str, Stretch] = {}
        self._kept: OrderedDict[int, Stretch] = OrderedDict()
        self._numbers = count()
        self.size_bytes = 0

    def publish(self, subject: str, page: Page) -> None:
        """Hand a committed page to the subject's followers."""
        stretch = self._stretches.get(subject)
        if stretch is None or not page:
            return
        if stretch.pages and page[0].seq != stretch.pages[-1][-1].seq + 1:
            self._drop(stretch)
        number = next(self._numbers)
        stretch.pages.append(page)
        stretch.numbers.append(number)
        self._kept[number] = stretch
        self.size_bytes += page.size_bytes
        while self.size_bytes > self._kept_bytes and len(self._kept) > 1:
            self._drop_oldest(next(iter(self._kept.values())))
        for follower in stretch.followers:
            follower.set()

    async def follow(
        self, subject: str, after: int, *, until: asyncio.Future[None] | None, read: Read
    ) -> AsyncGenerator[Page, None]:
        """Entries after `after` until `until` is done; `read(subject, after, limit)` reads the store."""
        stretch = self._stretches.setdefault(subject, Stretch())
        news = asyncio.Event()
        stretch.followers.add(news)

        def ring(_: asyncio.Future[None]) -> None:
            news.set()

        if until is not None:
            until.add_done_callback(ring)
        try:
            while until is None or not until.done():
                # Cleared before looking: what is published while the store is read wakes us again.
                news.clear()
                page = stretch.behind(after)
                if page is None:
                    page = await read(subject, after, PAGE)
                if page:
                    after = page[-1].seq
                    yield page
                else:
                    await news.wait()
        finally:
            if until is not None:
                until.remove_done_callback(ring)
            stretch.followers.discard(news)
            if not stretch.followers and self._stretches.get(subject) is stretch:
                del self._stretches[subject]
                self._drop(stretch)

    def _drop(self, stretch: Stretch) -> None:
        while stretch.pages:
            self._drop_oldest(stretch)

    def _drop_oldest(self, stretch: Stretch) -> None:
        del self._kept[stretch.numbers.popleft()]
        self.size_bytes -= stretch.pages.popleft().size_bytes
