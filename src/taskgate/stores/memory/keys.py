"""API keys in memory.

Holds digests of secrets, never a secret; forgotten with the process.
"""

from __future__ import annotations

from dataclasses import replace

from taskgate.identity.ports import KeyRecord


class MemoryKeyRing:
    """KeyRing in memory."""

    def __init__(self) -> None:
        self._by_id: dict[str, KeyRecord] = {}

    async def save(self, record: KeyRecord) -> None:
        known = self._by_id.get(record.id)
        if known is not None and known.revoked_at is not None:
            record = replace(record, revoked_at=known.revoked_at)
        self._by_id[record.id] = record

    async def find(self, key_id: str) -> KeyRecord | None:
        return self._by_id.get(key_id)

    async def all(self) -> list[KeyRecord]:
        return sorted(self._by_id.values(), key=lambda record: (record.created_at, record.id))

    async def revoke(self, key_id: str, at: float) -> bool:
        record = self._by_id.get(key_id)
        if record is None or record.revoked_at is not None:
            return False
        self._by_id[key_id] = replace(record, revoked_at=at)
        return True
