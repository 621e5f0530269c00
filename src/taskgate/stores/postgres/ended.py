"""The ledger's ended runs on PostgreSQL, by the index of their ends.

Reads only: what is done with them is history's business.
"""

from __future__ import annotations

from taskgate.history.ports import EndedRef, Place
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import sql


class PostgresEndedRuns:
    """EndedRuns on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ended(self, after: Place, *, until: float, limit: int) -> list[EndedRef]:
        rows = await self._pool.fetch(sql("ended"), after.ended_at, after.run_id, until, limit)
        return [EndedRef(row["id"], row["ended_at"], row["is_stopped"]) for row in rows]
