"""How much is open, counted by PostgreSQL from the very rows that the ledger wrote.

Each state is read by the index that holds it alone, so ended runs cost nothing however many are kept.
"""

from __future__ import annotations

from taskgate.runs.ports import QueueStanding
from taskgate.stores.columns import queue_of_text
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import sql


class PostgresCensus:
    """Census over the runs of a database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def standing(self, *, site_id: str | None = None, user_id: str = "") -> list[QueueStanding]:
        """What is open, by queue and site."""
        return [
            QueueStanding(
                site_id=row["site_id"],
                queue=queue_of_text(row["queue"]),
                scheduled_count=row["scheduled"],
                queued_count=row["queued"],
                running_count=row["running"],
                oldest_at=row["oldest_at"],
            )
            for row in await self._pool.fetch(sql("standing"), site_id, user_id)
        ]
