"""The live end of journals: committed pages handed to whoever follows, without a gap or a repeat.

For a subject that somebody follows the latest pages are kept, up to `KEPT_BYTES`, once for all its followers. A
follower is nothing but its place: it reads the store until the kept pages reach back to that place, then takes
them, then waits for news. One that falls behind the kept pages reads the store again. So a slow reader costs
nothing of its own and slows nobody (INV-S4).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from taskgate.journal.page import Page, joined

KEPT_BYTES = 1 << 20
PAGE = 1000
Read = Callable[[str, int, int], Awaitable[Page]]


class Stretch:
    """The latest pages of one subject, and the followers to wake when there are more."""

    __slots__ = ("_pages", "_size_bytes", "followers")

    def __init__(self) -> None:
        self._pages: deque[Page] = deque()
        self._size_bytes = 0
        self.followers: set[asyncio.Event] = set()

    def push(self, page: Page) -> None:
        """Keep a committed page. One that does not continue the last makes all earlier ones useless."""
        pages = self._pages
        if pages and page[0].seq != pages[-1][-1].seq + 1:
            pages.clear()
            self._size_bytes = 0
        pages.append(page)
        self._size_bytes += page.size_bytes
        while self._size_bytes > KEPT_BYTES and len(pages) > 1:
            self._size_bytes -= pages.popleft().size_bytes
        for follower in self.followers:
            follower.set()

    def behind(self, after: int) -> Page | None:
        """Everything kept after `after`; None when the store has to be asked."""
        pages = self._pages
        if not pages or pages[0][0].seq > after + 1:
            return None
        parts: list[Page] = []
        for page in reversed(pages):
            if page[-1].seq <= after:
                break
            parts.append(page)
        if not parts:
            return Page()
        parts.reverse()
        if parts[0][0].seq <= after:
            parts[0] = Page(parts[0][after + 1 - parts[0][0].seq :])
        return joined(parts)


class Tail:
    """Stretches by subject, kept while somebody follows."""

    def __init__(self) -> None:
        self._stretches: dict[str, Stretch] = {}

    def publish(self, subject: str, page: Page) -> None:
        """Hand a committed page to the subject's followers."""
        stretch = self._stretches.get(subject)
        if stretch is not None and page:
            stretch.push(page)

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
