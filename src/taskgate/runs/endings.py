"""The ends of runs as their journals' readers need them.

The ledger's terminal state is the only end there is; no journal entry claims it.
"""

from __future__ import annotations

import asyncio

from taskgate.errors import NotFound
from taskgate.journal.reading import Ending
from taskgate.runs.ports import RunBook
from taskgate.runs.run import Run
from taskgate.runs.waiting import Waiters


class RunEndings:
    """Asks the book, and hears of ends in this process at once."""

    def __init__(self, book: RunBook, waiters: Waiters) -> None:
        self._book = book
        self._waiters = waiters

    async def of(self, subject: str) -> Ending | None:
        """How the run ended, None while it is open; NotFound (JOURNAL_GONE) once it has been deleted."""
        run = (await self._book.get([subject]))[0]
        if run is None:
            raise NotFound("this run has been deleted, and its journal with it", code="JOURNAL_GONE")
        if run.is_open or run.ended_at is None:
            return None
        fields: dict[str, object] = {}
        if run.error is not None:
            fields["error"] = {"code": run.error.code, "message": run.error.message}
        return Ending(status=run.status.value, at=run.ended_at, attempt=run.attempt, fields=fields)

    def watch(self, subject: str) -> asyncio.Future[Run]:
        """Done when the run has ended."""
        return self._waiters.future(subject)
