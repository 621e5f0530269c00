"""A run's journal as readers see it: the stored entries, then one `result` entry made from the run's end.

The end of a journal is the ledger's terminal state, never a stored entry: a crash between the two could leave
a journal that claims an end which never happened. So the last entry is made at reading, with the number after
the last stored one; it carries the count of stored entries and a hash over them, by which a reader can prove
that it has everything (INV-L2). The journal is sealed before its end is first shown, so that every reader,
whether it came before, during or after the end, sees the same sequence.

A journal that was deleted, or whose time is over (`keep_s`), is NotFound (JOURNAL_GONE) for everybody, whoever is
reading it just then too: an end without what came before it would prove a lie.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakValueDictionary

from taskgate.errors import NotFound
from taskgate.journal.entry import Entry
from taskgate.journal.page import Page
from taskgate.journal.ports import Journal

PAGE = 1000
RESULTS = 1000  # ends whose hash is remembered


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
        """The end of a subject, None while it is open. NotFound (JOURNAL_GONE) where it is not there any more."""
        ...

    def watch(self, subject: str) -> asyncio.Future[Any]:
        """Done when the subject has ended; may miss an end told elsewhere, so `of` is asked again."""
        ...


class RunJournal:
    """Journals with their ends. `ask_again_s`: how late an end may be seen that nobody told this process. `has_gone`
    says, of the moment of an end, whether the time of its journal is over."""

    def __init__(
        self,
        journal: Journal,
        endings: Endings,
        *,
        ask_again_s: float = 5.0,
        has_gone: Callable[[float], bool] = lambda _: False,
    ) -> None:
        self._journal = journal
        self._endings = endings
        self._ask_again_s = ask_again_s
        self.has_gone = has_gone
        self._results: OrderedDict[str, Entry] = OrderedDict()
        self._hashing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def read(self, run_id: str, after: int, *, limit: int) -> Page:
        """Entries after `after`, at most `limit` or a page's bytes; the last of an ended run is its result."""
        ending = await self._ending(run_id)
        last_seq = await self._journal.seal(run_id) if ending is not None else -1
        page = await self._journal.read(run_id, after, limit=limit)
        if not page and after < last_seq:
            raise _gone()
        reached = page[-1].seq if page else max(after, 0)
        if ending is not None and reached == last_seq and len(page) < limit:
            return Page([*page, await self._result(run_id, ending, last_seq)])
        return page

    async def follow(self, run_id: str, after: int) -> AsyncGenerator[Page, None]:
        """Entries after `after`, live; ends behind the result entry."""
        while True:
            # Watched before asked: an end that comes in between is told to the watch.
            with _Bell(self._endings.watch(run_id), self._ask_again_s) as rung:
                ending = await self._ending(run_id)
                if ending is not None:
                    break
                async with aclosing(self._journal.follow(run_id, after, until=rung)) as live:
                    async for page in live:
                        after = page[-1].seq
                        yield page
        async with aclosing(self._rest(run_id, ending, after)) as rest:
            async for page in rest:
                yield page

    async def _rest(self, run_id: str, ending: Ending, after: int) -> AsyncGenerator[Page, None]:
        """What is stored after `after`, then the result."""
        last_seq = await self._journal.seal(run_id)
        while after < last_seq and (page := await self._journal.read(run_id, after, limit=PAGE)):
            after = page[-1].seq
            yield page
        if after < last_seq:
            raise _gone()
        if after == last_seq:
            yield Page([await self._result(run_id, ending, last_seq)])

    async def _ending(self, run_id: str) -> Ending | None:
        ending = await self._endings.of(run_id)
        if ending is not None and self.has_gone(ending.at):
            raise _gone()
        return ending

    async def _result(self, run_id: str, ending: Ending, last_seq: int) -> Entry:
        """The end as an entry; many readers of one end hash its entries once."""
        lock = self._hashing.setdefault(run_id, asyncio.Lock())
        async with lock:
            result = self._results.get(run_id)
            if result is None or result.seq != last_seq + 1:
                fields = {"status": ending.status, **ending.fields, "count": last_seq}
                fields["sha256"] = await self._hash(run_id, last_seq)
                result = Entry(
                    seq=last_seq + 1,
                    kind="result",
                    at=ending.at,
                    text=ending.status,
                    attempt=ending.attempt,
                    fields=fields,
                )
                self._results[run_id] = result
                if len(self._results) > RESULTS:
                    self._results.popitem(last=False)
            return result

    async def _hash(self, run_id: str, last_seq: int) -> str:
        digest = hashlib.sha256()
        after = 0
        while after < last_seq and (page := await self._journal.read(run_id, after, limit=PAGE)):
            digest.update(page.rendered(canonical))
            after = page[-1].seq
        if after < last_seq:
            raise _gone()
        return digest.hexdigest()


class _Bell:
    """Rings (its future is done) when another future is, or after a time; leaves nothing behind."""

    def __init__(self, watched: asyncio.Future[Any], after_s: float) -> None:
        self._watched = watched
        self._after_s = after_s

    def __enter__(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        self._rung: asyncio.Future[None] = loop.create_future()
        self._timer = loop.call_later(self._after_s, self._ring)
        self._watched.add_done_callback(self._ring)
        return self._rung

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._watched.remove_done_callback(self._ring)
        self._watched.cancel()

    def _ring(self, _: object = None) -> None:
        if not self._rung.done():
            self._rung.set_result(None)


def _gone() -> NotFound:
    return NotFound("the journal of this run has been deleted", code="JOURNAL_GONE")


def canonical(entry: Entry) -> bytes:
    """The bytes of an entry that the result's hash covers: `seq TAB kind TAB stream TAB text LF` in UTF-8."""
    return f"{entry.seq}\t{entry.kind}\t{entry.stream}\t{entry.text}\n".encode("utf-8", "surrogatepass")
