"""What journals need from a store.

The store alone gives out numbers, one sequence per subject; it never changes or reorders what it has given.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from taskgate.journal.entry import Appended, Batch, Entry


class Journal(Protocol):
    """Append-only entries by subject. `append` returns after its commit is durable."""

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        """One verdict per batch. Drafts whose `source_seq` was seen for (subject, attempt, stream) are dropped;
        a gap in `source_seq` cuts the batch before the gap (the sender sends again from there)."""
        ...

    async def read(self, subject: str, after: int, *, limit: int) -> list[Entry]:
        """Entries with `seq` > after, in order, at most `limit`."""
        ...

    def follow(self, subject: str, after: int) -> AsyncIterator[list[Entry]]:
        """Entries after `after`, first the stored ones, then live, without gap or repeat, for ever; each list
        is one or more committed batches. The consumer ends it (aclose). A slow consumer costs bounded memory:
        it is fed from the store again."""
        ...

    async def seal(self, subject: str) -> int:
        """Take nothing more for this subject; the number of its last entry, 0 when there is none.

        Later batches are answered as durable and dropped: their writer lost its right to write when the subject
        ended. A seal may be forgotten by a restart, because no writer outlives it."""
        ...

    async def purge(self, subjects: Sequence[str]) -> None: ...
