"""Journals in memory: the model of behaviour for every other journal store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from taskgate.journal.entry import Appended, Batch, Entry
from taskgate.journal.numbering import MAX_SUBJECT_BYTES, Ledger, number
from taskgate.journal.tail import Tail


class MemoryJournal:
    """Journal in memory; everything is forgotten with the process."""

    def __init__(self, *, limit_bytes: int = MAX_SUBJECT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._ledgers: dict[str, Ledger] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._tail = Tail()

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        verdicts: list[Appended] = []
        for batch in batches:
            ledger = self._ledgers.setdefault(batch.subject, Ledger())
            entries, verdict = number(ledger, batch, limit_bytes=self._limit_bytes)
            if entries:
                self._entries.setdefault(batch.subject, []).extend(entries)
                self._tail.publish(batch.subject, entries)
            verdicts.append(verdict)
        return verdicts

    async def read(self, subject: str, after: int, *, limit: int) -> list[Entry]:
        return self._entries.get(subject, [])[max(after, 0) : max(after, 0) + limit]

    def follow(self, subject: str, after: int) -> AsyncIterator[list[Entry]]:
        return self._tail.follow(subject, after, read=self._page)

    async def seal(self, subject: str) -> int:
        ledger = self._ledgers.setdefault(subject, Ledger())
        ledger.is_sealed = True
        return ledger.last_seq

    async def purge(self, subjects: Sequence[str]) -> None:
        for subject in subjects:
            self._ledgers.pop(subject, None)
            self._entries.pop(subject, None)

    async def _page(self, subject: str, after: int, limit: int) -> list[Entry]:
        return await self.read(subject, after, limit=limit)
