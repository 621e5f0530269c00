"""Leaders in SQLite: one guarded statement decides who leads.

The epoch grows with every change of leader and survives restarts.
"""

from __future__ import annotations

from typing import Any

import apsw

from taskgate.clock import Clock
from taskgate.runs.ports import Mandate
from taskgate.stores.sqlite.reading import one
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer


class SqliteLeadership:
    """Leadership on SQLite."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def campaign(self, duty: str, holder: str, *, duration_s: float) -> int | None:
        now = self._clock.now()
        wish = {"duty": duty, "holder": holder, "now": now, "expires_at": now + duration_s}
        return await self._writer.submit(_campaign, wish)

    async def resign(self, duty: str, holder: str) -> None:
        await self._writer.submit(_resign, (duty, holder))


def stands(connection: apsw.Connection, mandate: Mandate | None) -> bool:
    """Whether a write under this mandate still counts, inside the transaction of that write (INV-F5)."""
    if mandate is None:
        return True
    return bool(one(connection.execute(sql("leader_stands"), (mandate.duty, mandate.epoch)))[0])


def _campaign(connection: apsw.Connection, items: list[dict[str, Any]]) -> list[int | None]:
    epochs: list[int | None] = []
    for item in items:
        rows: list[Any] = connection.execute(sql("leader_campaign"), item).fetchall()
        epochs.append(rows[0][0] if rows else None)
    return epochs


def _resign(connection: apsw.Connection, items: list[tuple[str, str]]) -> list[None]:
    for item in items:
        connection.execute(sql("leader_resign"), item)
    return [None] * len(items)
