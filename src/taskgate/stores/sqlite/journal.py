"""Journals on SQLite: a file and a writer of their own, so that a flood of logs never delays a submit.

A commit writes one chunk per subject, however many lines it has, and one row of what is known of the subject;
both are in the same transaction, so numbers are never given twice. Numbers are given in the writer's thread
from what the file says, never from memory, so that a rolled-back batch leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import cast

import apsw
import msgspec

from taskgate.journal.entry import Appended, Batch, Entry
from taskgate.journal.numbering import Ledger, number
from taskgate.journal.tail import Tail
from taskgate.lifespan import Lifespan
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import Bulk, slices, sql
from taskgate.stores.sqlite.writer import Writer

FILE = "journal.db"
MIGRATIONS = files(__package__) / "journal_migrations"
CHUNKS = 64
SEALED = 100_000
_KNOWN = Bulk("journal_known")
_ADD_CHUNKS = Bulk("journal_add_chunks")
_KNOW = Bulk("journal_know")
_DELETE_CHUNKS = Bulk("journal_delete_chunks")
_DELETE_SUBJECTS = Bulk("journal_delete_subjects")
_entries = msgspec.json.Decoder(list[Entry])
_sources = msgspec.json.Decoder(list[tuple[int, str, int]])
Numbered = tuple[list[Entry], Appended]
Page = tuple[str, int, int]


class SqliteJournal:
    """Journal on SQLite. Making it does no I/O; `start` opens, locks and migrates."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        self._writer = Writer(path, migrations=MIGRATIONS, name="journal")
        self._reader = Reader(path, name="journal reader")
        self._life = Lifespan(self._writer, self._reader)
        self._tail = Tail()
        self._writing: dict[str, set[asyncio.Future[Numbered]]] = {}
        self._sealed: OrderedDict[str, None] = OrderedDict()

    async def start(self) -> None:
        await self._life.start()

    async def stop(self) -> None:
        await self._life.stop()

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        numbered = await asyncio.gather(*[self._write(batch) for batch in batches])
        return [verdict for _, verdict in numbered]

    async def read(self, subject: str, after: int, *, limit: int) -> list[Entry]:
        return await self._reader.submit(_read_pages, (subject, after, limit))

    def follow(self, subject: str, after: int) -> AsyncIterator[list[Entry]]:
        return self._tail.follow(subject, after, read=self._page)

    async def seal(self, subject: str) -> int:
        self._sealed[subject] = None
        self._sealed.move_to_end(subject)
        if len(self._sealed) > SEALED:
            self._sealed.popitem(last=False)
        writing = self._writing.get(subject)
        if writing:
            await asyncio.wait(set(writing))
        return await self._reader.submit(_last_seqs, subject)

    async def purge(self, subjects: Sequence[str]) -> None:
        if subjects:
            await self._writer.submit(_delete, list(subjects))

    def _write(self, batch: Batch) -> asyncio.Future[Numbered]:
        """The outcome of a batch once it is durable; a sealed subject's is answered and dropped."""
        subject = batch.subject
        if subject in self._sealed:
            dropped: asyncio.Future[Numbered] = asyncio.get_running_loop().create_future()
            dropped.set_result(([], Appended(max((d.source_seq for d in batch.drafts), default=0), 0, 0)))
            return dropped
        future: asyncio.Future[Numbered] = self._writer.submit(_append, batch)
        self._writing.setdefault(subject, set()).add(future)
        future.add_done_callback(lambda done: self._written(subject, done))
        return future

    def _written(self, subject: str, future: asyncio.Future[Numbered]) -> None:
        writing = self._writing[subject]
        writing.discard(future)
        if not writing:
            del self._writing[subject]
        if not future.cancelled() and future.exception() is None:
            entries, _ = future.result()
            if entries:
                self._tail.publish(subject, entries)

    async def _page(self, subject: str, after: int, limit: int) -> list[Entry]:
        return await self.read(subject, after, limit=limit)


# -------------------------------------------------------------------- in the writer's and the reader's thread


def _append(connection: apsw.Connection, batches: list[Batch]) -> list[Numbered]:
    """Number and store all batches of a commit; one chunk per subject."""
    ledgers = _ledgers(connection, list(dict.fromkeys(batch.subject for batch in batches)))
    fresh: dict[str, list[Entry]] = {}
    outcomes: list[Numbered] = []
    for batch in batches:
        entries, verdict = number(ledgers[batch.subject], batch)
        fresh.setdefault(batch.subject, []).extend(entries)
        outcomes.append((entries, verdict))
    chunks = [
        (subject, entries[-1].seq, entries[0].seq, msgspec.json.encode(entries))
        for subject, entries in fresh.items()
        if entries
    ]
    for part in slices(chunks):
        _ADD_CHUNKS.execute(connection, part)
    for known in slices([_row(subject, ledgers[subject]) for subject in fresh]):
        _KNOW.execute(connection, known)
    return outcomes


def _ledgers(connection: apsw.Connection, subjects: list[str]) -> dict[str, Ledger]:
    ledgers = {subject: Ledger() for subject in subjects}
    for part in slices([(subject,) for subject in subjects]):
        for subject, last_seq, stored_bytes, is_full, sources in _KNOWN.execute(connection, part):
            ledgers[subject] = Ledger(
                last_seq=last_seq,
                stored_bytes=stored_bytes,
                is_full=bool(is_full),
                sources={(attempt, stream): last for attempt, stream, last in _sources.decode(sources)},
            )
    return ledgers


def _row(subject: str, ledger: Ledger) -> tuple[str, int, int, int, str]:
    sources = [(attempt, stream, last) for (attempt, stream), last in ledger.sources.items()]
    return (subject, ledger.last_seq, ledger.stored_bytes, int(ledger.is_full), msgspec.json.encode(sources).decode())


def _read_pages(connection: apsw.Connection, pages: list[Page]) -> list[list[Entry]]:
    return [_read_page(connection, *page) for page in pages]


def _read_page(connection: apsw.Connection, subject: str, after: int, limit: int) -> list[Entry]:
    found: list[Entry] = []
    while len(found) < limit:
        chunks = connection.execute(sql("journal_chunks_of"), (subject, after, CHUNKS)).fetchall()
        for (text,) in chunks:
            found += [entry for entry in _entries.decode(cast(bytes, text)) if entry.seq > after]
            if len(found) >= limit:
                break
        if len(chunks) < CHUNKS:
            break
        after = found[-1].seq
    return found[:limit]


def _last_seqs(connection: apsw.Connection, subjects: list[str]) -> list[int]:
    rows = [connection.execute(sql("journal_last_seq"), (subject,)).fetchone() for subject in subjects]
    return [row[0] if row is not None else 0 for row in rows]


def _delete(connection: apsw.Connection, requests: list[list[str]]) -> list[None]:
    for subjects in requests:
        for part in slices([(subject,) for subject in subjects]):
            _DELETE_CHUNKS.execute(connection, part)
            _DELETE_SUBJECTS.execute(connection, part)
    return [None] * len(requests)
