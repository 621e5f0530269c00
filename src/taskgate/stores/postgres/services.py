"""Registered services in PostgreSQL, so that routes survive every gateway.

Written when a service registers, changes or leaves, never when it renews its lease.
"""

from __future__ import annotations

import msgspec

from taskgate.routes.ports import Turn, turn_lost
from taskgate.routes.service import Service
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import sql

NO_TURN = (None, None)
_service = msgspec.json.Decoder(Service)


class PostgresServiceBook:
    """ServiceBook on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save(self, service: Service, *, under: Turn | None = None) -> None:
        content = msgspec.json.encode(service)
        if not await self._pool.fetch(sql("service_save"), *(under or NO_TURN), service.name, content):
            raise turn_lost()

    async def remove(self, name: str, *, under: Turn | None = None) -> bool:
        ((stands, is_gone),) = await self._pool.fetch(sql("service_remove"), *(under or NO_TURN), name)
        if not stands:
            raise turn_lost()
        return bool(is_gone)

    async def load(self) -> list[Service]:
        return [_service.decode(row[0]) for row in await self._pool.fetch(sql("services_all"))]
