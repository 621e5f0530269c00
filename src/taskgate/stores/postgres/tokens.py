"""Join tokens and revocations in PostgreSQL: digests of secrets, never a secret.

Whether a join token may be honoured is decided by one guarded update, so that of two gateways one is told yes.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from taskgate.identity.ports import Invitation, Revocation
from taskgate.stores.postgres.moments import Moment
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import sql


class PostgresTokenBook:
    """TokenBook on PostgreSQL."""

    def __init__(self, pool: Pool, moment: Moment) -> None:
        self._pool = pool
        self._moment = moment

    async def invite(self, invitation: Invitation) -> None:
        content = msgspec.json.encode(invitation)
        await self._pool.fetch(sql("invitations_purge"), self._moment())
        await self._pool.fetch(
            sql("invitation_save"), invitation.id, invitation.expires_at, invitation.used_at, content
        )

    async def find(self, invitation_id: str) -> Invitation | None:
        rows = await self._pool.fetch(sql("invitation_find"), invitation_id)
        if not rows:
            return None
        return replace(msgspec.json.decode(rows[0][1], type=Invitation), used_at=rows[0][0])

    async def use(self, invitation_id: str, at: float) -> bool:
        return bool(await self._pool.fetch(sql("invitation_use"), invitation_id, at))

    async def take_back(self, revocation: Revocation) -> None:
        await self._pool.fetch(sql("revocations_purge"), self._moment())
        await self._pool.fetch(
            sql("revocation_save"), self._moment(), revocation.name, revocation.before, revocation.keep_until
        )

    async def taken_back(self, within_s: float) -> list[Revocation]:
        rows = await self._pool.fetch(sql("revocations_since"), self._moment(), within_s)
        return [Revocation(name=row[0], before=row[1], keep_until=row[2]) for row in rows]
