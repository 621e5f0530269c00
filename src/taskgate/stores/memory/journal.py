"""Journals in memory: the model of behaviour for every other journal store.

Everything is forgotten with the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from taskgate.journal.entry import Appended, Batch, Entry
from taskgate.journal.numbering import MAX_SUBJECT_BYTES, Subject, number
from taskgate.journal.page import Page, cut
from taskgate.journal.tail import Tail


class MemoryJournal:
    """Journal in memory. `limit_bytes` is what one subject may cost."""

    def __init__(self, *, limit_bytes: int = MAX_SUBJECT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._subjects: dict[str, Subject] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._tail = Tail()

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        verdicts: list[Appended] = []
        for batch in batches:
            subject = self._subjects.setdefault(batch.subject, Subject())
            entries, verdict = number(subject, batch, limit_bytes=self._limit_bytes)
            if entries:
                self._entries.setdefault(batch.subject, []).extend(entries)
                self._tail.publish(batch.subject, Page(entries))
            verdicts.append(verdict)
        return verdicts

    async def read(self, subject: str, after: int, *, limit: int) -> Page:
        after = max(after, 0)
        return cut(self._entries.get(subject, [])[after : after + limit], limit)

    def follow(
        self, subject: str, after: int, *, until: asyncio.Future[None] | None = None
    ) -> AsyncGenerator[Page, None]:
        return self._tail.follow(subject, after, until=until, read=self._page)

    async def seal(self, subject: str) -> int:
        known = self._subjects.setdefault(subject, Subject())
        known.is_sealed = True
        return known.last_seq

    async def purge(self, subjects: Sequence[str]) -> None:
        for subject in subjects:
            self._subjects.pop(subject, None)
            self._entries.pop(subject, None)
        self._tail.reread(subjects)

    async def stored(self, after: str, before: str, *, limit: int) -> list[str]:
        return sorted(subject for subject in self._subjects if after < subject < before)[:limit]

    async def _page(self, subject: str, after: int, limit: int) -> Page:
        return await self.read(subject, after, limit=limit)
