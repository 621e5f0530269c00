"""Leaders in PostgreSQL: one guarded statement decides who leads, by the database's clock.

The epoch grows with every change of leader. A write under a mandate locks the duty's row until its commit, so that
no other reign begins in its middle (`sql/mandate.sql`).
"""

from __future__ import annotations

from taskgate.stores.postgres.moments import Moment
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import sql


class PostgresLeadership:
    """Leadership on PostgreSQL."""

    def __init__(self, pool: Pool, moment: Moment) -> None:
        self._pool = pool
        self._moment = moment

    async def campaign(self, duty: str, holder: str, *, duration_s: float) -> int | None:
        """Become or stay leader: the epoch, None while somebody else leads."""
        rows = await self._pool.fetch(sql("leader_campaign"), self._moment(), duty, holder, duration_s)
        return int(rows[0][0]) if rows else None

    async def resign(self, duty: str, holder: str) -> None:
        """Make room, if it is us who lead."""
        await self._pool.fetch(sql("leader_resign"), duty, holder)
