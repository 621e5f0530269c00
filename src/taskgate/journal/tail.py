"""The live end of journals: committed batches handed to whoever follows, without a gap or a repeat.

A follower first reads the store, then takes what is published. It joined the tail before it read, so nothing
falls between; what it has seen is dropped by number. One that falls too far behind loses its backlog, not its
place: it is fed from the store again, so a slow reader costs bounded memory and slows nobody (INV-S4).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from taskgate.journal.entry import Entry

BACKLOG_ENTRIES = 4000
PAGE = 1000
Read = Callable[[str, int, int], Awaitable[list[Entry]]]


class Follower:
    """One reader's backlog of one subject."""

    __slots__ = ("_batches", "_count", "_news", "is_behind")

    def __init__(self) -> None:
        self._batches: deque[Sequence[Entry]] = deque()
        self._count = 0
        self._news = asyncio.Event()
        self.is_behind = False

    def push(self, entries: Sequence[Entry]) -> None:
        """Add a committed batch; too many make the follower fall behind."""
        if self.is_behind:
            return
        self._batches.append(entries)
        self._count += len(entries)
        if self._count > BACKLOG_ENTRIES:
            self._batches.clear()
            self._count = 0
            self.is_behind = True
        self._news.set()

    async def next(self) -> list[Entry] | None:
        """All that was published since the last call, waiting for it; None when the store has to be read."""
        await self._news.wait()
        self._news.clear()
        if self.is_behind:
            self.is_behind = False
            return None
        entries = [entry for batch in self._batches for entry in batch]
        self._batches.clear()
        self._count = 0
        return entries


class Tail:
    """Followers by subject."""

    def __init__(self) -> None:
        self._followers: dict[str, set[Follower]] = {}

    def publish(self, subject: str, entries: Sequence[Entry]) -> None:
        """Hand a committed batch to the subject's followers."""
        for follower in self._followers.get(subject, ()):
            follower.push(entries)

    async def follow(self, subject: str, after: int, *, read: Read) -> AsyncIterator[list[Entry]]:
        """Entries after `after`, for ever; `read(subject, after, limit)` reads the store."""
        follower = Follower()
        self._followers.setdefault(subject, set()).add(follower)
        try:
            while True:
                while page := await read(subject, after, PAGE):
                    after = page[-1].seq
                    yield page
                while (entries := await follower.next()) is not None:
                    fresh = [entry for entry in entries if entry.seq > after]
                    if fresh and fresh[0].seq != after + 1:
                        break
                    if fresh:
                        after = fresh[-1].seq
                        yield fresh
        finally:
            followers = self._followers[subject]
            followers.discard(follower)
            if not followers:
                del self._followers[subject]
