"""API keys in PostgreSQL: digests of secrets, never a secret.

A revoked key stays, so that nothing revives it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from taskgate.identity.ports import KeyRecord
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import sql

_key = msgspec.json.Decoder(KeyRecord)


class PostgresKeyRing:
    """KeyRing on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save(self, record: KeyRecord) -> None:
        row = (record.id, record.created_at, record.revoked_at, msgspec.json.encode(record))
        await self._pool.fetch(sql("key_save"), *row)

    async def find(self, key_id: str) -> KeyRecord | None:
        rows = await self._pool.fetch(sql("key_find"), key_id)
        return _record(rows[0]) if rows else None

    async def all(self) -> list[KeyRecord]:
        return [_record(row) for row in await self._pool.fetch(sql("keys_all"))]

    async def revoke(self, key_id: str, at: float) -> bool:
        return bool(await self._pool.fetch(sql("key_revoke"), key_id, at))


def _record(row: Any) -> KeyRecord:
    content, revoked_at = row
    return replace(_key.decode(content), revoked_at=revoked_at)
