"""Journals on PostgreSQL, through connections of their own, so that a flood of logs never delays a submit.

A commit locks the row of every subject that it writes to, in the order of their names, and gives numbers from what
the row says: gateways that write to one subject wait for each other, and no number is given twice. Then it writes
one chunk per subject, however many lines it has (more only above `CHUNK_BYTES`). A seal is in the row as well, so it
holds at every gateway. What a commit added to a subject is published as one page.

A commit whose answer was lost is asked for by its transaction's number: what was committed is told as it was, and
never written twice, whether its sender numbers its entries or not.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import msgspec

from taskgate.journal.entry import Appended, Batch, Entry
from taskgate.journal.numbering import MAX_SUBJECT_BYTES, Subject, dropped, number
from taskgate.journal.page import CHUNK_BYTES, PAGE_BYTES, Page, chunks_of, cut
from taskgate.journal.ports import TailRelay
from taskgate.journal.tail import Tail
from taskgate.stores.postgres import batching
from taskgate.stores.postgres.batching import Batcher
from taskgate.stores.postgres.pool import PATIENCE_S, Connection, Pool
from taskgate.stores.postgres.statements import columns, sql

SEALED = 100_000
PURGED_AT_ONCE = 200
PURGE_S = 10.0
ASK_AGAIN_S = 0.05
LINE_BYTES = 1024  # what weighs as much as another line
_entries = msgspec.json.Decoder(list[Entry])
_sources = msgspec.json.Decoder(list[tuple[int, str, int]])


@dataclass(slots=True)
class Commit:
    """What one transaction does: its batch's mark, its number once it wrote, and what is told when it stands."""

    mark: int
    number: str = ""
    verdicts: list[list[Appended]] = field(default_factory=list)
    pages: list[tuple[str, Page]] = field(default_factory=list)


class Shelf:
    """The names of what is kept."""

    _pool: Pool

    async def stored(self, after: str, before: str, *, limit: int) -> list[str]:
        return [row[0] for row in await self._pool.fetch(sql("journal_stored"), after, before, limit)]


class PostgresJournal(Shelf):
    """Journal on PostgreSQL; a part, to be started once `pool` is there. With a relay, gateways hear each other."""

    def __init__(
        self,
        pool: Pool,
        *,
        limit_bytes: int = MAX_SUBJECT_BYTES,
        tail: Tail | None = None,
        relay: TailRelay | None = None,
    ) -> None:
        self._pool = pool
        self._limit_bytes = limit_bytes
        self._tail = tail or Tail(relay=relay)
        self._last = Commit(0)
        self._sealed: OrderedDict[str, int] = OrderedDict()
        self._batcher: Batcher[list[Batch], list[Appended]] = Batcher(pool, self._write)

    async def start(self) -> None:
        await self._batcher.start()

    async def stop(self) -> None:
        await self._batcher.stop()

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        wanted = [batch for batch in batches if batch.subject not in self._sealed]
        if not wanted:
            return [dropped(batch) for batch in batches]
        try:
            verdicts = iter(await asyncio.shield(self._batcher.submit(wanted, weight=_weight(wanted))))
        except Exception:
            # It may be stored all the same.
            self._tail.reread({batch.subject for batch in wanted})
            raise
        kept = set(map(id, wanted))
        return [next(verdicts) if id(batch) in kept else dropped(batch) for batch in batches]

    async def read(self, subject: str, after: int, *, limit: int) -> Page:
        return await self._page(subject, after, limit)

    def follow(
        self, subject: str, after: int, *, until: asyncio.Future[None] | None = None
    ) -> AsyncGenerator[Page, None]:
        return self._tail.follow(subject, after, until=until, read=self._page)

    async def seal(self, subject: str) -> int:
        last_seq = self._sealed.get(subject)
        if last_seq is None:
            rows = await self._pool.fetch(sql("journal_seal"), subject)
            last_seq = self._sealed[subject] = int(rows[0][0])
            if len(self._sealed) > SEALED:
                self._sealed.popitem(last=False)
        return last_seq

    async def purge(self, subjects: Sequence[str]) -> None:
        names = list(subjects)
        for start in range(0, len(names), PURGED_AT_ONCE):
            await self._purge(names[start : start + PURGED_AT_ONCE])
        for subject in names:
            self._sealed.pop(subject, None)
        self._tail.reread(names)

    async def _purge(self, names: list[str]) -> None:
        async def purged(connection: Connection) -> None:
            async with connection.transaction():
                # The rows first: whoever is writing to them has committed its chunks when they are ours.
                await connection.execute(sql("journal_purge_subjects"), names)
                await connection.execute(sql("journal_purge_chunks"), names)

        await self._pool.use(purged, patience_s=PURGE_S)

    async def _page(self, subject: str, after: int, limit: int) -> Page:
        after = max(after, 0)
        # The first chunk may begin before the page does.
        most_bytes = PAGE_BYTES + CHUNK_BYTES

        async def found(connection: Connection) -> Sequence[tuple[bytes]]:
            rows: Sequence[tuple[bytes]] = await connection.fetch(
                sql("journal_read"), subject, after, limit, most_bytes
            )
            return rows

        rows = await self._pool.use(found, patience_s=PATIENCE_S)
        entries = (entry for (chunk,) in rows for entry in _entries.decode(chunk) if entry.seq > after)
        return cut(entries, limit)

    # ---------------------------------------------------------------- one transaction

    async def _write(self, connection: Connection, asked: batching.Batch[list[Batch]]) -> list[list[Appended]]:
        """Number and store everything of a commit; the verdicts on each append."""
        known = self._last
        if not (asked.again and known.mark == asked.mark and await _stands(connection, known.number)):
            known = self._last = Commit(asked.mark)
            async with connection.transaction():
                await self._store(connection, asked.items, known)
        self._tail.tell(known.pages)
        return known.verdicts

    async def _store(self, connection: Connection, appends: Sequence[list[Batch]], commit: Commit) -> None:
        names = sorted({batch.subject for batches in appends for batch in batches})
        subjects = {row[0]: _subject(row) for row in await connection.fetch(sql("journal_lock"), names)}
        fresh: dict[str, list[Entry]] = {}
        for batches in appends:
            verdicts: list[Appended] = []
            for batch in batches:
                entries, verdict = number(subjects[batch.subject], batch, limit_bytes=self._limit_bytes)
                verdicts.append(verdict)
                fresh.setdefault(batch.subject, []).extend(entries)
            commit.verdicts.append(verdicts)
        commit.pages = [(subject, Page(entries)) for subject, entries in fresh.items() if entries]
        known = columns([_row(name, subjects[name]) for name in names])
        chunks = [_chunk(name, chunk) for name, page in commit.pages for chunk in chunks_of(page)]
        added = columns(chunks) if chunks else [()] * 5
        commit.number = await connection.fetchval(sql("journal_write"), *known, *added)


async def _stands(connection: Connection, transaction: str) -> bool:
    """Whether this transaction was committed; one that never wrote was not."""
    while transaction:
        fate = await connection.fetchval(sql("journal_fate"), transaction)
        if fate != "in progress":
            return bool(fate == "committed")
        await asyncio.sleep(ASK_AGAIN_S)
    return False


def _weight(batches: Sequence[Batch]) -> int:
    return sum(1 + len(draft.text) // LINE_BYTES for batch in batches for draft in batch.drafts) + len(batches)


def _subject(row: Sequence[object]) -> Subject:
    _, last_seq, stored_bytes, is_full, is_sealed, sources = row
    return Subject(
        last_seq=last_seq,  # type: ignore[arg-type]
        stored_bytes=stored_bytes,  # type: ignore[arg-type]
        is_full=bool(is_full),
        is_sealed=bool(is_sealed),
        sources={(attempt, stream): last for attempt, stream, last in _sources.decode(sources)},  # type: ignore[arg-type]
    )


def _row(name: str, subject: Subject) -> tuple[str, int, int, bool, bytes]:
    sources = [(attempt, stream, last) for (attempt, stream), last in subject.sources.items()]
    return (name, subject.last_seq, subject.stored_bytes, subject.is_full, msgspec.json.encode(sources))


def _chunk(name: str, chunk: Page) -> tuple[str, int, int, int, bytes]:
    return (name, chunk[-1].seq, chunk[0].seq, chunk.size_bytes, msgspec.json.encode(chunk))
