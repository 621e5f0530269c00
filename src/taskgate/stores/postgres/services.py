"""Registered services in PostgreSQL, so that routes survive every gateway.

Written when a service registers, changes or leaves, never when it renews its lease.
"""

from __future__ import annotations

import msgspec

from taskgate.routes.service import Service
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import sql

_service = msgspec.json.Decoder(Service)


class PostgresServiceBook:
    """ServiceBook on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save(self, service: Service) -> None:
        await self._pool.fetch(sql("service_save"), service.name, msgspec.json.encode(service))

    async def remove(self, name: str) -> bool:
        return bool(await self._pool.fetch(sql("service_remove"), name))

    async def load(self) -> list[Service]:
        return [_service.decode(row[0]) for row in await self._pool.fetch(sql("services_all"))]
