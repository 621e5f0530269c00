"""A run's journal as readers see it: the stored entries, then one `result` entry made from the run's end.

The end of a journal is the ledger's terminal state, never a stored entry: a crash between the two could leave
a journal that claims an end which never happened. So the last entry is made at reading, with the number after
the last stored one; it carries the count of stored entries and a hash over them, by which a reader can prove
that it has everything (INV-L2). The journal is sealed when its end is first read, so that every reader, whether
it came before, during or after the end, sees the same sequence.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

from taskgate.journal.entry import Entry
from taskgate.journal.ports import Journal

PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a subject ended: the terminal state's name, its moment, and members for the result entry."""

    status: str
    at: float
    attempt: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


class Endings(Protocol):
    """What the owner of the subjects knows about their ends."""

    async def of(self, subject: str) -> Ending | None:
        """The end of a subject, None while it is open or unknown."""
        ...

    def watch(self, subject: str) -> asyncio.Future[Any]:
        """Done when the subject has ended; may miss an end told elsewhere, so `of` is asked again."""
        ...


class RunJournal:
    """Journals with their ends."""

    def __init__(self, journal: Journal, endings: Endings, *, ask_again_s: float = 5.0) -> None:
        self._journal = journal
        self._endings = endings
        self._ask_again_s = ask_again_s

    async def read(self, run_id: str, after: int, *, limit: int) -> list[Entry]:
        """Entries after `after`, at most `limit`; the last of an ended run is its result."""
        ending = await self._endings.of(run_id)
        last_seq = await self._journal.seal(run_id) if ending is not None else None
        entries = await self._journal.read(run_id, after, limit=limit)
        reached = entries[-1].seq if entries else max(after, 0)
        if ending is not None and last_seq is not None and reached == last_seq and len(entries) < limit:
            entries.append(await self._result(run_id, ending, last_seq))
        return entries

    async def follow(self, run_id: str, after: int) -> AsyncIterator[list[Entry]]:
        """Entries after `after`, live; ends behind the result entry."""
        ended = self._endings.watch(run_id)
        news: asyncio.Task[list[Entry]] | None = None
        try:
            async with aclosing(self._journal.follow(run_id, after)) as live:  # type: ignore[type-var]
                ending = await self._endings.of(run_id)
                while ending is None:
                    news = news or asyncio.ensure_future(anext(live))
                    await asyncio.wait({news, ended}, timeout=self._ask_again_s, return_when=asyncio.FIRST_COMPLETED)
                    if news.done():
                        entries, news = news.result(), None
                        after = entries[-1].seq
                        yield entries
                        continue
                    ending = await self._endings.of(run_id)
                    if ended.done() and ending is None:
                        ended = self._endings.watch(run_id)
                await _stop(news)
                news = None
            async for entries in self._rest(run_id, ending, after):
                yield entries
        finally:
            ended.cancel()
            await _stop(news)

    async def _rest(self, run_id: str, ending: Ending, after: int) -> AsyncIterator[list[Entry]]:
        """What is stored after `after`, then the result."""
        last_seq = await self._journal.seal(run_id)
        while after < last_seq:
            entries = await self._journal.read(run_id, after, limit=PAGE)
            if not entries:
                break
            after = entries[-1].seq
            yield entries
        if after <= last_seq:
            yield [await self._result(run_id, ending, last_seq)]

    async def _result(self, run_id: str, ending: Ending, last_seq: int) -> Entry:
        digest = hashlib.sha256()
        after = 0
        while after < last_seq and (entries := await self._journal.read(run_id, after, limit=PAGE)):
            for entry in entries:
                digest.update(canonical(entry))
            after = entries[-1].seq
        fields = {"status": ending.status, **ending.fields, "count": last_seq, "sha256": digest.hexdigest()}
        return Entry(
            seq=last_seq + 1, kind="result", at=ending.at, text=ending.status, attempt=ending.attempt, fields=fields
        )


def canonical(entry: Entry) -> bytes:
    """The bytes of an entry that the result's hash covers: `seq TAB kind TAB stream TAB text LF` in UTF-8."""
    return f"{entry.seq}\t{entry.kind}\t{entry.stream}\t{entry.text}\n".encode()


async def _stop(task: asyncio.Task[list[Entry]] | None) -> None:
    if task is not None and not task.done():
        task.cancel()
        await asyncio.wait({task})
