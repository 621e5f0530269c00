"""Journals on SQLite: a file and a writer of their own, so that a flood of logs never delays a submit.

A commit writes one chunk per subject, however many lines it has (more only above `CHUNK_BYTES`), and one row of
what is known of the subject; both are in the same transaction, so numbers are never given twice. Numbers are
given in the writer's thread from what the file says, never from memory, so that a rolled-back batch leaves
nothing behind. What a commit added to a subject is published as one page.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, cast

import apsw
import msgspec

from taskgate.errors import StoreError
from taskgate.journal.entry import Appended, Batch, Entry
from taskgate.journal.numbering import MAX_SUBJECT_BYTES, Subject, dropped, number
from taskgate.journal.page import Page, chunks_of, cut
from taskgate.journal.tail import Tail
from taskgate.lifespan import Lifespan
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import Bulk, slices, sql
from taskgate.stores.sqlite.writer import Writer

FILE = "journal.db"
MIGRATIONS = files(__package__) / "journal_migrations"
SEALED = 100_000
_KNOWN = Bulk("journal_known")
_ADD_CHUNKS = Bulk("journal_add_chunks")
_KNOW = Bulk("journal_know")
_DELETE_CHUNKS = Bulk("journal_delete_chunks")
_DELETE_SUBJECTS = Bulk("journal_delete_subjects")
_entries = msgspec.json.Decoder(list[Entry])
_sources = msgspec.json.Decoder(list[tuple[int, str, int]])


class Written(NamedTuple):
    """What came of one append, and the pages that its commit made (told once, with the first who wrote to each)."""

    verdicts: list[Appended]
    pages: list[tuple[str, Page]]


class Asked(NamedTuple):
    """A page to be read."""

    subject: str
    after: int
    limit: int


class Shelf:
    """The names of what is kept."""

    _reader: Reader

    async def stored(self, after: str, before: str, *, limit: int) -> list[str]:
        return await self._reader.submit(_stored_subjects, (after, before, limit))


class SqliteJournal(Shelf):
    """Journal on SQLite. Making it does no I/O; `start` opens, locks and migrates."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int = MAX_SUBJECT_BYTES,
        probe: Callable[[str], None] | None = None,
    ) -> None:
        path = folder / FILE
        self._limit_bytes = limit_bytes
        self._writer = Writer(path, migrations=MIGRATIONS, probe=probe, name="journal")
        self._reader = Reader(path, probe=probe, name="journal reader")
        self._life = Lifespan(self._writer, self._reader)
        self._tail = Tail()
        self._writing: dict[str, set[asyncio.Future[Written]]] = {}
        self._sealed: OrderedDict[str, int | None] = OrderedDict()  # the last number, once it is known for good

    @property
    def ailment(self) -> StoreError | None:
        """Why nothing can be written any more (F19), None while it can."""
        return self._writer.broken

    async def start(self) -> None:
        await self._life.start()

    async def stop(self) -> None:
        await self._life.stop()

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        wanted = [batch for batch in batches if batch.subject not in self._sealed]
        if not wanted:
            return [dropped(batch) for batch in batches]
        # Shielded: a cancelled caller must not keep its page from the followers, nor a seal from waiting for it.
        verdicts = iter((await asyncio.shield(self._write(wanted))).verdicts)
        if len(wanted) == len(batches):
            return list(verdicts)
        kept = set(map(id, wanted))
        return [next(verdicts) if id(batch) in kept else dropped(batch) for batch in batches]

    async def read(self, subject: str, after: int, *, limit: int) -> Page:
        return await self._page(subject, after, limit)

    def follow(
        self, subject: str, after: int, *, until: asyncio.Future[None] | None = None
    ) -> AsyncGenerator[Page, None]:
        return self._tail.follow(subject, after, until=until, read=self._page)

    async def seal(self, subject: str) -> int:
        last_seq = self._sealed.setdefault(subject, None)
        if last_seq is not None:
            return last_seq
        if len(self._sealed) > SEALED:
            self._sealed.popitem(last=False)
        writing = self._writing.get(subject)
        if writing:
            await asyncio.wait(set(writing))
        last_seq = await self._reader.submit(_last_seqs, subject)
        if subject in self._sealed:
            self._sealed[subject] = last_seq
        return last_seq

    async def purge(self, subjects: Sequence[str]) -> None:
        if subjects:
            await self._writer.submit(_delete, list(subjects))
        for subject in subjects:
            self._sealed.pop(subject, None)
        self._tail.reread(subjects)

    def _write(self, batches: list[Batch]) -> asyncio.Future[Written]:
        """The outcome of the batches once they are durable and published."""
        future: asyncio.Future[Written] = self._writer.submit(self._append, batches)
        subjects = {batch.subject for batch in batches}
        for subject in subjects:
            self._writing.setdefault(subject, set()).add(future)
        future.add_done_callback(lambda done: self._written(subjects, done))
        return future

    def _written(self, subjects: set[str], future: asyncio.Future[Written]) -> None:
        for subject in subjects:
            writing = self._writing[subject]
            writing.discard(future)
            if not writing:
                del self._writing[subject]
        if not future.cancelled() and future.exception() is None:
            self._tail.tell(future.result().pages)

    async def _page(self, subject: str, after: int, limit: int) -> Page:
        return await self._reader.submit(_read_pages, Asked(subject, after, limit))

    # ---------------------------------------------------------------- in the writer's thread

    def _append(self, connection: apsw.Connection, appends: list[list[Batch]]) -> list[Written]:
        """Number and store everything of a commit."""
        subjects = _subjects(connection, list({batch.subject for batches in appends for batch in batches}))
        fresh: dict[str, list[Entry]] = {}
        outcomes: list[Written] = []
        firsts: list[list[str]] = []
        for batches in appends:
            verdicts: list[Appended] = []
            first: list[str] = []
            for batch in batches:
                entries, verdict = number(subjects[batch.subject], batch, limit_bytes=self._limit_bytes)
                verdicts.append(verdict)
                known = fresh.get(batch.subject)
                if known is not None:
                    known += entries
                else:
                    fresh[batch.subject] = entries
                    first.append(batch.subject)
            outcomes.append(Written(verdicts, []))
            firsts.append(first)
        pages = {subject: Page(entries) for subject, entries in fresh.items() if entries}
        _store(connection, pages)
        for rows in slices([_row(subject, known) for subject, known in subjects.items()]):
            _KNOW.execute(connection, rows)
        for outcome, first in zip(outcomes, firsts, strict=True):
            outcome.pages.extend((subject, pages[subject]) for subject in first if subject in pages)
        return outcomes


def _store(connection: apsw.Connection, pages: dict[str, Page]) -> None:
    chunks = [
        (subject, chunk[-1].seq, chunk[0].seq, msgspec.json.encode(chunk))
        for subject, page in pages.items()
        for chunk in chunks_of(page)
    ]
    for rows in slices(chunks):
        _ADD_CHUNKS.execute(connection, rows)


def _subjects(connection: apsw.Connection, names: list[str]) -> dict[str, Subject]:
    subjects = {name: Subject() for name in names}
    for rows in slices([(name,) for name in names]):
        for name, last_seq, stored_bytes, is_full, sources in _KNOWN.execute(connection, rows):
            subjects[name] = Subject(
                last_seq=last_seq,
                stored_bytes=stored_bytes,
                is_full=bool(is_full),
                sources={(attempt, stream): last for attempt, stream, last in _sources.decode(sources)},
            )
    return subjects


def _row(name: str, subject: Subject) -> tuple[str, int, int, int, str]:
    sources = [(attempt, stream, last) for (attempt, stream), last in subject.sources.items()]
    return (name, subject.last_seq, subject.stored_bytes, int(subject.is_full), msgspec.json.encode(sources).decode())


def _delete(connection: apsw.Connection, requests: list[list[str]]) -> list[None]:
    for subjects in requests:
        for rows in slices([(subject,) for subject in subjects]):
            _DELETE_CHUNKS.execute(connection, rows)
            _DELETE_SUBJECTS.execute(connection, rows)
    return [None] * len(requests)


# -------------------------------------------------------------------- in the reader's thread


def _read_pages(connection: apsw.Connection, wanted: list[Asked]) -> list[Page]:
    """Pages, those that many ask for at once read once."""
    known: dict[Asked, Page] = {}
    return [known[one] if one in known else known.setdefault(one, _read_page(connection, one)) for one in wanted]


def _read_page(connection: apsw.Connection, asked: Asked) -> Page:
    with closing(_stored(connection, asked.subject, asked.after)) as entries:
        return cut(entries, asked.limit)


def _stored(connection: apsw.Connection, subject: str, after: int) -> Generator[Entry, None, None]:
    """The entries after `after`, chunk by chunk as they are needed."""
    with closing(connection.execute(sql("journal_chunks_of"), (subject, after))) as chunks:
        for (text,) in chunks:
            entries = _entries.decode(cast(bytes, text))
            yield from entries if entries[0].seq > after else entries[after + 1 - entries[0].seq :]


def _stored_subjects(connection: apsw.Connection, asked: list[tuple[str, str, int]]) -> list[list[str]]:
    return [[cast(str, row[0]) for row in connection.execute(sql("journal_stored"), one)] for one in asked]


def _last_seqs(connection: apsw.Connection, subjects: list[str]) -> list[int]:
    rows = [connection.execute(sql("journal_last_seq"), (subject,)).fetchone() for subject in subjects]
    return [row[0] if row is not None else 0 for row in rows]
