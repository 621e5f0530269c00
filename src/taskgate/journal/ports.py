"""What journals need from a store.

The store alone gives out numbers, one sequence per subject; it never changes or reorders what it has given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

from taskgate.journal.entry import Appended, Batch
from taskgate.journal.page import Page
from taskgate.journal.pieces import LogName, Piece, RunLog, Taken


class TailRelay(Protocol):
    """Carries committed pages to gateways whose readers follow them. An index of what is stored, never the truth."""

    def send(self, pages: Sequence[tuple[str, Page]]) -> None:
        """Tell the others what was committed here. Never waits, never raises."""
        ...

    def follow(self, subject: str, deliver: Callable[[Page], None]) -> Callable[[], None]:
        """Have pages of other gateways delivered until the returned function is called. A page may come twice or be
        missing; an empty page says that the store has to be read again."""
        ...


class Journal(Protocol):
    """Append-only entries by subject. `append` returns after its commit is durable."""

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        """One verdict per batch. Drafts whose `source_seq` was seen for (subject, attempt, stream) are dropped;
        a gap in `source_seq` cuts the batch before the gap (the sender sends again from there).
        A cancelled caller does not withdraw its batches."""
        ...

    async def read(self, subject: str, after: int, *, limit: int) -> Page:
        """Entries with `seq` > after, in order: at most `limit`, and fewer where they are larger than a page of
        `PAGE_BYTES`, but one at least while there is one. Nothing follows an empty page only."""
        ...

    def follow(
        self, subject: str, after: int, *, until: asyncio.Future[None] | None = None
    ) -> AsyncGenerator[Page, None]:
        """Entries after `after`, first the stored ones, then live, without gap or repeat; each page is one or more
        committed batches. Ends once `until` is done, with what was not given by then left in the store; without
        it the consumer ends it (aclose). A slow consumer costs bounded memory: it is fed from the store again."""
        ...

    async def seal(self, subject: str) -> int:
        """Take nothing more for this subject; the number of its last entry, 0 when there is none.

        Later batches are answered as durable and dropped (`last_seq` 0): their writer lost its right to write when
        the subject ended. A seal may be forgotten by a restart, because no writer outlives it."""
        ...

    async def purge(self, subjects: Sequence[str]) -> None:
        """Forget these subjects, their seals too: as if they had never been."""
        ...

    async def stored(self, after: str, before: str, *, limit: int) -> list[str]:
        """Subjects of which something is kept, those between the two names, in order."""
        ...


class RunLogs(Protocol):
    """Logs that are uploaded in pieces (`pieces` has the rule). What a verb has answered is durable."""

    async def write(self, piece: Piece) -> tuple[Taken, RunLog | None]:
        """Append what is new in a piece; its verdict, and the log as it is then (None while it does not exist)."""
        ...

    async def close(self, log: RunLog) -> RunLog | None:
        """Close a log with this digest, if it has this very size; an empty one is made. What is there then, None when
        that is not this: it has another size, or was closed with another digest."""
        ...

    async def find(self, run_id: str) -> list[RunLog]:
        """Every log of a run, by attempt and name."""
        ...

    async def content(self, log: LogName, offset: int, *, limit: int) -> bytes:
        """At most `limit` bytes from `offset` on; b"" only at the end, or where there is no such log."""
        ...

    async def purge(self, run_ids: Sequence[str]) -> None:
        """Forget every log of these runs."""
        ...
