"""API keys in SQLite: digests of secrets, never a secret.

A revoked key stays, so that a restart does not revive it.
"""

from __future__ import annotations

from typing import Any

import apsw
import msgspec

from taskgate.identity.ports import KeyRecord
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer


class SqliteKeyRing:
    """KeyRing on SQLite."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def save(self, record: KeyRecord) -> None:
        await self._writer.submit(_save, record)

    async def find(self, key_id: str) -> KeyRecord | None:
        return await self._reader.submit(_find, key_id)

    async def all(self) -> list[KeyRecord]:
        return await self._reader.submit(_all, None)

    async def revoke(self, key_id: str, at: float) -> bool:
        return await self._writer.submit(_revoke, (key_id, at))


def _save(connection: apsw.Connection, items: list[KeyRecord]) -> list[None]:
    for record in items:
        connection.execute(
            sql("key_save"),
            (
                record.id,
                record.name,
                record.kind,
                record.secret_sha256,
                record.last4,
                msgspec.json.encode(sorted(record.scopes)).decode(),
                record.site_id,
                record.user_id,
                record.app_id,
                record.created_at,
                record.expires_at,
                record.revoked_at,
                record.rotated_from,
                msgspec.json.encode(record.prefixes).decode(),
                record.worker_id,
            ),
        )
    return [None] * len(items)


def _find(connection: apsw.Connection, items: list[str]) -> list[KeyRecord | None]:
    found = [connection.execute(sql("key_find"), (key_id,)).fetchall() for key_id in items]
    return [_record(rows[0]) if rows else None for rows in found]


def _all(connection: apsw.Connection, items: list[None]) -> list[list[KeyRecord]]:
    return [[_record(row) for row in connection.execute(sql("keys_all")).fetchall()] for _ in items]


def _revoke(connection: apsw.Connection, items: list[tuple[str, float]]) -> list[bool]:
    revoked: list[bool] = []
    for item in items:
        connection.execute(sql("key_revoke"), item)
        revoked.append(connection.changes() > 0)
    return revoked


def _record(row: tuple[Any, ...]) -> KeyRecord:
    return KeyRecord(
        id=row[0],
        name=row[1],
        kind=row[2],
        secret_sha256=row[3],
        last4=row[4],
        scopes=frozenset(msgspec.json.decode(row[5])),
        site_id=row[6],
        user_id=row[7],
        app_id=row[8],
        created_at=row[9],
        expires_at=row[10],
        revoked_at=row[11],
        rotated_from=row[12],
        prefixes=tuple(msgspec.json.decode(row[13])),
        worker_id=row[14],
    )
