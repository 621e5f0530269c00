"""The run book in PostgreSQL: reading runs, and the little upkeep that only a book does.

What many callers ask by id in one turn is one statement. Everything is read from the primary, so nothing is older
than the last committed write of any gateway.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.runs.ports import Glance, Mandate, RunFilter
from taskgate.runs.run import Run, Status
from taskgate.stores.columns import STATUSES, mask_of, text_of
from taskgate.stores.postgres.batching import Batch, Batcher
from taskgate.stores.postgres.changes import RunChanges
from taskgate.stores.postgres.moments import Moment
from taskgate.stores.postgres.pool import Connection, Pool
from taskgate.stores.postgres.reading import runs_by_id
from taskgate.stores.postgres.rows import run_of
from taskgate.stores.postgres.statements import sql

DELETED_AT_ONCE = 200
LAST = "\U0010ffff"  # sorts behind every id


class PostgresRunBook:
    """Reading runs."""

    def __init__(self, pool: Pool, moment: Moment) -> None:
        self._pool = pool
        self._moment = moment
        self._gets: Batcher[Sequence[str], list[Run | None]] = Batcher(pool, _get, lanes=2)
        self._glances: Batcher[Sequence[str], list[Glance | None]] = Batcher(pool, _glance)
        self._deletions: Batcher[tuple[Sequence[str], Mandate | None], list[str]] = Batcher(
            pool, RunChanges(moment).delete
        )
        self.parts = (self._gets, self._glances, self._deletions)

    async def get(self, run_ids: Sequence[str]) -> list[Run | None]:
        """Whole runs in order, None for an unknown id."""
        return await self._gets.submit(run_ids, weight=len(run_ids)) if run_ids else []

    async def glance(self, run_ids: Sequence[str]) -> list[Glance | None]:
        """Tenant and state in order, None for an unknown id."""
        return await self._glances.submit(run_ids, weight=len(run_ids)) if run_ids else []

    async def find(self, wanted: RunFilter) -> list[Run]:
        """A page of a site's runs, newest first."""
        statuses = frozenset(Status) if wanted.status is None else frozenset({wanted.status})
        parameters = [
            mask_of(statuses & {Status.FAILED} if wanted.dead else statuses),
            wanted.limit,
            wanted.site_id,
            wanted.cursor or LAST,
            wanted.task,
            None if wanted.label is None else text_of(wanted.label),
            wanted.dead,
        ]
        if wanted.user_id:
            return [
                run_of(record) for record in await self._pool.fetch(sql("find_of_user"), *parameters, wanted.user_id)
            ]
        return [run_of(record) for record in await self._pool.fetch(sql("find"), *parameters)]

    async def count(self, site_id: str) -> dict[Status, int]:
        """How many runs of a site are in each state."""
        return {STATUSES[number]: total for number, total in await self._pool.fetch(sql("count"), site_id)}

    async def mark_stopped(self, run_id: str, attempt: int) -> None:
        """Fill `stopped_at` of an ended run, once."""
        await self._pool.fetch(sql("mark_stopped"), self._moment(), run_id, attempt)

    async def purge(self, ended_before: float, limit: int, *, under: Mandate | None = None) -> list[str]:
        """Delete the runs that ended first, with their attempts and keys."""
        gone: list[str] = []
        while len(gone) < limit:
            wanted = min(limit - len(gone), DELETED_AT_ONCE)
            found = [row[0] for row in await self._pool.fetch(sql("purgeable"), ended_before, wanted)]
            deleted = await self._deletions.submit((found, under)) if found else []
            gone += deleted
            if len(deleted) < wanted:
                break
        return gone

    async def remove(self, run_ids: Sequence[str]) -> list[str]:
        """Delete those of the runs that have ended."""
        gone: list[str] = []
        for start in range(0, len(run_ids), DELETED_AT_ONCE):
            gone += await self._deletions.submit((run_ids[start : start + DELETED_AT_ONCE], None))
        return gone


async def _get(connection: Connection, batch: Batch[Sequence[str]]) -> list[list[Run | None]]:
    runs = await runs_by_id(connection, (run_id for item in batch.items for run_id in item))
    return [[runs.get(run_id) for run_id in item] for item in batch.items]


async def _glance(connection: Connection, batch: Batch[Sequence[str]]) -> list[list[Glance | None]]:
    asked = list({run_id for item in batch.items for run_id in item})
    records = await connection.fetch(sql("glance"), asked)
    found = {run_id: Glance(site_id, user_id, STATUSES[number]) for run_id, site_id, user_id, number in records}
    return [[found.get(run_id) for run_id in item] for item in batch.items]
