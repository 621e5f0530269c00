"""The live end of journals: committed pages handed to whoever follows, without a gap or a repeat.

For subjects that somebody follows the latest pages are kept, once for all their followers; of all pages kept
together the oldest go first beyond `KEPT_BYTES`. A follower is nothing but its place: it reads the store until the
kept pages reach back to that place, then takes them, then waits for news. One that falls behind them reads the store
again. So a slow reader costs nothing of its own and slows nobody (INV-S4).

Where several gateways write to one store, a relay carries their pages to each other while somebody follows. What it
brings is believed only as far as numbers prove it: a page that is known is dropped, behind a gap the store is read.
A lost page with nothing behind it proves nothing, so a follower reads the store before it first waits, and again
whenever it was told nothing for `LOOK_AGAIN_S`.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count

from taskgate.journal.page import PAGE_BYTES, Page, joined
from taskgate.journal.ports import TailRelay

KEPT_BYTES = 16 << 20  # about two seconds of 50,000 lines a second: a reader that stutters still shares its pages
PAGE = 1000
LOOK_AGAIN_S = 5.0
Read = Callable[[str, int, int], Awaitable[Page]]


class Stretch:
    """The latest pages of one subject, each with its number among all that are kept, and the followers to wake."""

    __slots__ = ("close", "followers", "numbers", "pages")

    def __init__(self) -> None:
        self.close: Callable[[], None] | None = None  # ends what the relay brings
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

    def __init__(
        self, *, kept_bytes: int = KEPT_BYTES, relay: TailRelay | None = None, look_again_s: float = LOOK_AGAIN_S
    ) -> None:
        self._kept_bytes = kept_bytes
        self._relay = relay
        self._look_again_s = look_again_s
        self._stretches: dict[str, Stretch] = {}
        self._kept: OrderedDict[int, Stretch] = OrderedDict()
        self._numbers = count()
        self.size_bytes = 0

    def tell(self, pages: Sequence[tuple[str, Page]]) -> None:
        """Hand what was committed here to the followers, those at other gateways too."""
        for subject, page in pages:
            self.publish(subject, page)
        if self._relay is not None and pages:
            self._relay.send(pages)

    def reread(self, subjects: Iterable[str]) -> None:
        """Have the followers of these subjects read the store again, those at other gateways too."""
        self.tell([(subject, Page()) for subject in subjects])

    def publish(self, subject: str, page: Page) -> None:
        """Hand a committed page to the subject's followers here; an empty one has them read the store again."""
        stretch = self._stretches.get(subject)
        if stretch is None:
            return
        if page:
            self._keep(stretch, page)
        else:
            self._drop(stretch)
        for follower in stretch.followers:
            follower.set()

    async def follow(
        self, subject: str, after: int, *, until: asyncio.Future[None] | None, read: Read
    ) -> AsyncGenerator[Page, None]:
        """Entries after `after` until `until` is done; `read(subject, after, limit)` reads the store."""
        news = asyncio.Event()

        def ring(_: asyncio.Future[None]) -> None:
            news.set()

        stretch = self._joined(subject, news)
        if until is not None:
            until.add_done_callback(ring)
        is_sure = self._relay is None
        try:
            while until is None or not until.done():
                # Cleared before looking: what is published while the store is read wakes us again.
                news.clear()
                page = stretch.behind(after)
                if page is None or not (page or is_sure):
                    page = await read(subject, after, PAGE)
                if page:
                    after = page[-1].seq
                    yield page
                else:
                    is_sure = await self._told(news)
        finally:
            if until is not None:
                until.remove_done_callback(ring)
            self._left(subject, stretch, news)

    async def _told(self, news: asyncio.Event) -> bool:
        """Whether there are news; False when a relay brought none for so long that the store is asked."""
        if self._relay is None:
            return await news.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look_again_s):
                return await news.wait()
        return False

    def _joined(self, subject: str, news: asyncio.Event) -> Stretch:
        stretch = self._stretches.get(subject)
        if stretch is None:
            stretch = self._stretches[subject] = Stretch()
            if self._relay is not None:
                stretch.close = self._relay.follow(subject, partial(self.publish, subject))
        stretch.followers.add(news)
        return stretch

    def _left(self, subject: str, stretch: Stretch, news: asyncio.Event) -> None:
        stretch.followers.discard(news)
        if stretch.followers or self._stretches.get(subject) is not stretch:
            return
        del self._stretches[subject]
        self._drop(stretch)
        if stretch.close is not None:
            stretch.close()

    def _keep(self, stretch: Stretch, page: Page) -> None:
        """Put a page behind those that are kept: the part of it that is new."""
        if stretch.pages:
            last_seq = stretch.pages[-1][-1].seq
            if page[-1].seq <= last_seq:
                return
            if page[0].seq <= last_seq:
                page = Page(page[last_seq + 1 - page[0].seq :])
            elif page[0].seq > last_seq + 1:
                self._drop(stretch)
        number = next(self._numbers)
        stretch.pages.append(page)
        stretch.numbers.append(number)
        self._kept[number] = stretch
        self.size_bytes += page.size_bytes
        while self.size_bytes > self._kept_bytes and len(self._kept) > 1:
            self._drop_oldest(next(iter(self._kept.values())))

    def _drop(self, stretch: Stretch) -> None:
        while stretch.pages:
            self._drop_oldest(stretch)

    def _drop_oldest(self, stretch: Stretch) -> None:
        del self._kept[stretch.numbers.popleft()]
        self.size_bytes -= stretch.pages.popleft().size_bytes
