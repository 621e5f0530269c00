"""The run ledger in SQLite: parameters in, one group commit, verdicts out.

The guards stand in the statements; nothing is read first and written later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import apsw
import msgspec

from taskgate.clock import Clock
from taskgate.runs.ports import (
    Added,
    AddVerdict,
    Applied,
    Claim,
    Grant,
    Mandate,
    Move,
    QueuedRef,
    Renewal,
    Renewed,
)
from taskgate.runs.run import OPEN, Run, Status
from taskgate.stores.columns import leased, queue_of_text
from taskgate.stores.sqlite.changes import RowOf, RunChanges
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.reading import one, runs_by_id
from taskgate.stores.sqlite.rows import LARGE, row_to_add, row_to_apply, row_to_close
from taskgate.stores.sqlite.statements import sql
from taskgate.stores.sqlite.writer import Writer


class SqliteRunLedger:
    """The truth about runs, in one file."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        changes = RunChanges()
        self._add = changes.add
        self._claim = changes.claim
        self._renew = changes.renew
        self._apply = changes.apply
        self._apply_under = changes.apply_under

    async def add(self, runs: Sequence[Run], grants: Mapping[str, Grant]) -> list[Added]:
        """New runs; each verdict with the run as stored, or with the earlier run under its key."""
        if not runs:
            return []
        now = self._clock.now()
        rows: Sequence[RowOf] = [row_to_add(run, grants.get(run.id), now=now) for run in runs]
        large: Sequence[RowOf] = [(run.id, run.input) for run in runs if len(run.input) > LARGE]
        earlier = await self._writer.submit(self._add, (rows, large), weight=_weight(runs))
        if earlier is None:
            return [_added(run, grants.get(run.id), now) for run in runs]
        return [
            _added(run, grants.get(run.id), now) if standing is None else _judged(run, standing)
            for run, standing in zip(runs, earlier, strict=True)
        ]

    async def claim(self, claims: Sequence[Claim]) -> list[Run | None]:
        """The leased runs, None for those that are not queued any more."""
        if not claims:
            return []
        now = self._clock.now()
        rows: Sequence[RowOf] = [_row_to_claim(claim, now) for claim in claims]
        return await self._writer.submit(self._claim, rows, weight=len(rows))

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Which leases are held on; the first renewal accepts."""
        if not renewals:
            return []
        now = self._clock.now()
        rows: Sequence[RowOf] = [
            (
                renewal.run_id,
                renewal.attempt,
                renewal.token,
                now + renewal.duration_s,
                now if renewal.started_at is None else renewal.started_at,
            )
            for renewal in renewals
        ]
        return await self._writer.submit(self._renew, rows, weight=len(rows))

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        """Each move by compare-and-set, all stale when the mandate is not the duty's any more."""
        if not moves:
            return []
        pairs: Sequence[tuple[RowOf, RowOf | None]] = [
            (row_to_apply(move), row_to_close(move) if _goes_on(move) else None) for move in moves
        ]
        if under is not None:
            return await self._writer.submit(self._apply_under, (pairs, under), weight=len(pairs))
        return await self._writer.submit(self._apply, pairs, weight=len(pairs))

    async def expired(self, limit: int) -> list[Run]:
        """Running runs whose lease has passed, oldest first."""
        return await self._reader.submit(_expired, (self._clock.now(), limit))

    async def due(self, limit: int) -> list[Run]:
        """Open runs with a timer that has passed, the longest overdue first."""
        return await self._reader.submit(_due, (self._clock.now(), limit))

    async def queued(self, after: str, limit: int) -> list[QueuedRef]:
        """Queued runs by id."""
        return await self._reader.submit(_queued, (after, limit))


def _added(run: Run, grant: Grant | None, now: float) -> Added:
    return Added(AddVerdict.ADDED, run if grant is None else leased(run, grant, now=now))


def _weight(runs: Sequence[Run]) -> int:
    """Runs, and one more for every 16 KiB of their inputs."""
    return len(runs) + (sum(len(run.input) for run in runs) >> 14)


def _judged(run: Run, standing: Run) -> Added:
    is_same = standing.body_digest == run.body_digest
    return Added(AddVerdict.REPLAYED if is_same else AddVerdict.KEY_REUSED, standing)


def _row_to_claim(claim: Claim, now: float) -> RowOf:
    grant = claim.grant
    return (claim.run_id, grant.token, now + grant.duration_s, grant.holder, grant.target, now)


def _goes_on(move: Move) -> bool:
    """Whether the move may end an attempt of a run that stays open."""
    return move.status in OPEN and Status.RUNNING in move.from_statuses


# ---------------------------------------------------------------- in the reader's thread


def _expired(connection: apsw.Connection, items: list[tuple[float, int]]) -> list[list[Run]]:
    return [_chosen(connection, "expired", item) for item in items]


def _due(connection: apsw.Connection, items: list[tuple[float, int]]) -> list[list[Run]]:
    return [_chosen(connection, "due", item) for item in items]


def _chosen(connection: apsw.Connection, name: str, parameters: tuple[Any, ...]) -> list[Run]:
    """The runs whose ids a statement selects, in its order."""
    run_ids: list[str] = msgspec.json.decode(one(connection.execute(sql(name), parameters))[0])
    runs = runs_by_id(connection, run_ids)
    return [runs[run_id] for run_id in run_ids if run_id in runs]


def _queued(connection: apsw.Connection, items: list[tuple[str, int]]) -> list[list[QueuedRef]]:
    pages: list[list[QueuedRef]] = []
    for item in items:
        rows = msgspec.json.decode(one(connection.execute(sql("queued"), item))[0])
        pages.append(
            [
                QueuedRef(
                    run_id=run_id,
                    queue=queue_of_text(queue),
                    site_id=site_id,
                    priority=priority,
                    created_at=created_at,
                )
                for run_id, queue, site_id, priority, created_at in rows
            ]
        )
    return pages
