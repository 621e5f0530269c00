"""Counting what is open in SQLite, in the thread of those who search.

Every state is read by the index that has it alone, so ended runs cost nothing.
"""

from __future__ import annotations

import apsw
import msgspec

from taskgate.runs.ports import QueueStanding
from taskgate.stores.columns import queue_of_text
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.reading import one
from taskgate.stores.sqlite.statements import sql

Scope = tuple[str | None, str]


class SqliteCensus:
    """Census over the runs of a store."""

    def __init__(self, lister: Reader) -> None:
        self._lister = lister

    async def standing(self, *, site_id: str | None = None, user_id: str = "") -> list[QueueStanding]:
        """What is open, by queue and site."""
        return await self._lister.submit(_standings, (site_id, user_id))


def _standings(connection: apsw.Connection, items: list[Scope]) -> list[list[QueueStanding]]:
    return [_standing(connection, site_id=site_id, user_id=user_id) for site_id, user_id in items]


def _standing(connection: apsw.Connection, *, site_id: str | None, user_id: str) -> list[QueueStanding]:
    parameters = {"site_id": site_id, "user_id": user_id}
    rows = msgspec.json.decode(one(connection.execute(sql("standing"), parameters))[0])
    return [
        QueueStanding(
            site_id=site,
            queue=queue_of_text(queue),
            scheduled_count=scheduled,
            queued_count=queued,
            running_count=running,
            oldest_at=oldest_at,
        )
        for site, queue, scheduled, queued, running, oldest_at in rows
    ]
