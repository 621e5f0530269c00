"""Join tokens and revocations in SQLite: digests of secrets, never a secret.

Whether a join token may be honoured is decided by one guarded update.
"""

from __future__ import annotations

from typing import Any

import apsw
import msgspec

from taskgate.clock import Clock
from taskgate.identity.ports import Invitation, Revocation
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer

DAY_S = 86_400.0


class SqliteTokenBook:
    """TokenBook on SQLite."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock

    async def invite(self, invitation: Invitation) -> None:
        await self._writer.submit(_invite, (invitation, self._clock.now()))

    async def find(self, invitation_id: str) -> Invitation | None:
        return await self._reader.submit(_find, invitation_id)

    async def use(self, invitation_id: str, at: float) -> bool:
        return await self._writer.submit(_use, (invitation_id, at))

    async def take_back(self, revocation: Revocation) -> None:
        await self._writer.submit(_take_back, (revocation, self._clock.now()))

    async def taken_back(self, within_s: float) -> list[Revocation]:
        return await self._reader.submit(_taken_back, self._clock.now() - within_s)


def _invite(connection: apsw.Connection, items: list[tuple[Invitation, float]]) -> list[None]:
    for item, now in items:
        connection.execute(sql("invitations_purge"), (now - DAY_S,))
        connection.execute(
            sql("invitation_save"),
            (
                item.id,
                item.secret_sha256,
                item.site_id,
                msgspec.json.encode(sorted(item.scopes)).decode(),
                item.worker_id,
                item.key_days,
                item.created_at,
                item.created_by,
                item.expires_at,
                item.used_at,
            ),
        )
    return [None] * len(items)


def _find(connection: apsw.Connection, items: list[str]) -> list[Invitation | None]:
    found = [connection.execute(sql("invitation_find"), (invitation_id,)).fetchall() for invitation_id in items]
    return [_invitation(rows[0]) if rows else None for rows in found]


def _use(connection: apsw.Connection, items: list[tuple[str, float]]) -> list[bool]:
    used: list[bool] = []
    for item in items:
        connection.execute(sql("invitation_use"), item)
        used.append(connection.changes() > 0)
    return used


def _take_back(connection: apsw.Connection, items: list[tuple[Revocation, float]]) -> list[None]:
    for item, now in items:
        connection.execute(sql("revocations_purge"), (now,))
        connection.execute(sql("revocation_save"), (item.name, item.before, item.keep_until, now))
    return [None] * len(items)


def _taken_back(connection: apsw.Connection, items: list[float]) -> list[list[Revocation]]:
    return [
        [_revocation(row) for row in connection.execute(sql("revocations_since"), (since,)).fetchall()]
        for since in items
    ]


def _revocation(row: tuple[Any, ...]) -> Revocation:
    return Revocation(name=row[0], before=row[1], keep_until=row[2])


def _invitation(row: tuple[Any, ...]) -> Invitation:
    return Invitation(
        id=row[0],
        secret_sha256=row[1],
        site_id=row[2],
        scopes=frozenset(msgspec.json.decode(row[3])),
        worker_id=row[4],
        key_days=row[5],
        created_at=row[6],
        created_by=row[7],
        expires_at=row[8],
        used_at=row[9],
    )
