"""The run ledger in PostgreSQL: parameters in, one statement for all that ask at once, verdicts out.

The guards stand in the statements; nothing is read first and written later. Leases go by the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from taskgate.runs.ports import Added, Applied, Claim, Grant, Mandate, Move, QueuedRef, Renewal, Renewed
from taskgate.runs.run import Run
from taskgate.stores.columns import queue_of_text
from taskgate.stores.postgres.batching import Batcher, Probe
from taskgate.stores.postgres.changes import MoveRow, NewRun, RunChanges
from taskgate.stores.postgres.moments import Moment
from taskgate.stores.postgres.pool import Connection, Pool
from taskgate.stores.postgres.reading import with_earlier
from taskgate.stores.postgres.rows import RowOf, goes_on, row_to_add, row_to_apply, row_to_claim, run_of
from taskgate.stores.postgres.statements import sql


class PostgresRunLedger:
    """The truth about runs, in one database that several gateways share."""

    def __init__(self, pool: Pool, moment: Moment, *, probe: Probe | None = None) -> None:
        self._pool = pool
        self._moment = moment
        changes = RunChanges(moment)
        self._adds: Batcher[Sequence[NewRun], list[Added]] = Batcher(pool, changes.add, lanes=2, probe=probe)
        self._claims: Batcher[Sequence[RowOf], list[Run | None]] = Batcher(pool, changes.claim, probe=probe)
        self._renewals: Batcher[Sequence[RowOf], list[Renewed]] = Batcher(pool, changes.renew, probe=probe)
        self._moves: Batcher[tuple[Sequence[MoveRow], Mandate | None], list[Applied]] = Batcher(
            pool, changes.apply, lanes=2, probe=probe
        )
        self.parts = (self._adds, self._claims, self._renewals, self._moves)

    async def add(self, runs: Sequence[Run], grants: Mapping[str, Grant]) -> list[Added]:
        """New runs; each verdict with the run as stored, or with the earlier run under its key."""
        if not runs:
            return []
        rows = [_new(run, grants.get(run.id)) for run in runs]
        weight = len(runs) + (sum(len(run.input) for run in runs) >> 14)
        return await self._adds.submit(rows, weight=weight)

    async def claim(self, claims: Sequence[Claim]) -> list[Run | None]:
        """The leased runs, None for those that are not queued any more."""
        if not claims:
            return []
        return await self._claims.submit([row_to_claim(claim) for claim in claims], weight=len(claims))

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Which leases are held on; the first renewal accepts."""
        if not renewals:
            return []
        rows = [(each.run_id, each.attempt, each.token, each.duration_s, each.started_at) for each in renewals]
        return await self._renewals.submit(rows, weight=len(rows))

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        """Each move by compare-and-set, all stale when the mandate is not the duty's any more."""
        if not moves:
            return []
        rows = [(row_to_apply(move), goes_on(move)) for move in moves]
        weight = len(moves) + (sum(len(move.output or b"") for move in moves) >> 14)
        return await self._moves.submit((rows, under), weight=weight)

    async def expired(self, limit: int) -> list[Run]:
        """Running runs whose lease has passed, oldest first."""
        return await self._chosen("expired", limit)

    async def due(self, limit: int) -> list[Run]:
        """Open runs with a timer that has passed, the longest overdue first."""
        return await self._chosen("due", limit)

    async def queued(self, after: str, limit: int) -> list[QueuedRef]:
        """Queued runs by id."""
        return [
            QueuedRef(
                run_id=run_id, queue=queue_of_text(queue), site_id=site_id, priority=priority, created_at=created_at
            )
            for run_id, queue, site_id, priority, created_at in await self._pool.fetch(sql("queued"), after, limit)
        ]

    async def _chosen(self, name: str, limit: int) -> list[Run]:
        async def read(connection: Connection) -> list[Run]:
            records = await connection.fetch(sql(name), self._moment(), limit)
            return await with_earlier(connection, [run_of(record) for record in records])

        return await self._pool.use(read)


def _new(run: Run, grant: Grant | None) -> NewRun:
    return (run, grant, row_to_add(run, grant))
