"""A journal and the uploaded logs of the same runs, forgotten together.

Whoever purges runs knows of journals only; behind this wrapper their uploaded logs go with them. All other verbs are
the journal's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from taskgate.journal.entry import Appended, Batch
from taskgate.journal.page import Page
from taskgate.journal.ports import Journal, RunLogs


class JournalWithLogs:
    """Journal whose `purge` forgets the uploaded logs too, first: a crash in between leaves what is purged again."""

    def __init__(self, journal: Journal, logs: RunLogs) -> None:
        self._journal = journal
        self._logs = logs

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        return await self._journal.append(batches)

    async def read(self, subject: str, after: int, *, limit: int) -> Page:
        return await self._journal.read(subject, after, limit=limit)

    def follow(
        self, subject: str, after: int, *, until: asyncio.Future[None] | None = None
    ) -> AsyncGenerator[Page, None]:
        return self._journal.follow(subject, after, until=until)

    async def seal(self, subject: str) -> int:
        return await self._journal.seal(subject)

    async def purge(self, subjects: Sequence[str]) -> None:
        await self._logs.purge(subjects)
        await self._journal.purge(subjects)

    async def stored(self, after: str, before: str, *, limit: int) -> list[str]:
        return await self._journal.stored(after, before, limit=limit)
