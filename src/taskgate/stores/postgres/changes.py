"""What a batch does to runs: one guarded statement each, and a second one only where rows were left alone.

A statement says which rows it changed; why it left the others alone is asked afterwards. That question decides
nothing: the guard has spoken, and an ended run stays ended, a token that was replaced never comes back.
`batch.again` makes three verdicts kinder, because this batch may have been committed before: an id that is there was
added by it, a token that is held was granted by it, a row that bears its mark was moved by it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from taskgate.errors import Unavailable
from taskgate.runs.ports import Added, AddVerdict, Applied, Grant, Mandate, Renewed
from taskgate.runs.run import Run
from taskgate.stores.columns import leased
from taskgate.stores.postgres.batching import Batch
from taskgate.stores.postgres.moments import Moment
from taskgate.stores.postgres.pool import Connection
from taskgate.stores.postgres.reading import runs_by_id, with_earlier
from taskgate.stores.postgres.rows import KEY_COLUMNS, RowOf, run_of
from taskgate.stores.postgres.statements import columns, rounds, sql

NewRun = tuple[Run, Grant | None, RowOf]
MoveRow = tuple[RowOf, bool]  # parameters of `apply`, and whether an attempt is to be kept
TRIES = 4
_RENEWED = (Renewed.HELD, Renewed.STOP, Renewed.LOST)
_ID, _ATTEMPT, _STATUS, _DIGEST = 0, 1, 6, 19  # of `row_to_apply`


class RunChanges:
    """The ways in which runs are changed; each performs the items of a batch."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment

    async def add(self, connection: Connection, batch: Batch[Sequence[NewRun]]) -> list[list[Added]]:
        """For each new run whether it was added, else the run that stood in its way."""
        asked = list(itertools.chain.from_iterable(batch.items))
        verdicts: dict[int, Added] = {}
        for places in rounds([run.id for run, _, _ in asked]):
            left = places
            for _ in range(TRIES):
                left = await self._add(connection, batch, asked=asked, places=left, verdicts=verdicts)
                if not left:
                    break
            else:
                raise Unavailable("a run comes and goes under this key", code="STORE_BUSY")
        return _split([verdicts[place] for place in range(len(asked))], batch.items)

    async def _add(
        self,
        connection: Connection,
        batch: Batch[Sequence[NewRun]],
        *,
        asked: Sequence[NewRun],
        places: list[int],
        verdicts: dict[int, Added],
    ) -> list[int]:
        """Add these; returns those whose obstacle was deleted meanwhile."""
        ordered = sorted(places, key=lambda place: (*(asked[place][2][column] for column in KEY_COLUMNS), place))
        rows = [asked[place][2] for place in ordered]
        added = dict(await connection.fetch(sql("add"), self._moment(), batch.mark, rows))
        missing: list[int] = []
        for place in ordered:
            run, grant, _ = asked[place]
            if run.id not in added:
                missing.append(place)
                continue
            now = added[run.id]
            stored = run if grant is None or now is None else leased(run, grant, now=now)
            verdicts[place] = Added(AddVerdict.ADDED, stored)
        if not missing:
            return []
        keys = [(place, asked[place][0].id, *(asked[place][2][column] for column in KEY_COLUMNS)) for place in missing]
        in_the_way = dict(await connection.fetch(sql("standing_in_the_way"), *columns(keys)))
        standing = await runs_by_id(connection, in_the_way.values())
        for place, run_id in in_the_way.items():
            if run_id in standing:
                verdicts[place] = _judged(asked[place][0], standing[run_id], again=batch.again)
        return [place for place in missing if in_the_way[place] not in standing]

    async def claim(self, connection: Connection, batch: Batch[Sequence[RowOf]]) -> list[list[Run | None]]:
        """For each row the leased run, None where it was not queued."""
        rows = list(itertools.chain.from_iterable(batch.items))
        found: dict[tuple[str, str], Run] = {}
        for places in rounds([row[0] for row in rows]):
            part = [rows[place] for place in places]
            records = await connection.fetch(sql("claim"), self._moment(), part)
            if batch.again and len(records) < len(part):
                records += await connection.fetch(sql("claimed"), *columns([row[:2] for row in part]))
            for run in await with_earlier(connection, [run_of(record) for record in records]):
                found[run.id, run.lease.token if run.lease is not None else ""] = run
        return _split([found.get((row[0], row[1])) for row in rows], batch.items)

    async def renew(self, connection: Connection, batch: Batch[Sequence[RowOf]]) -> list[list[Renewed]]:
        """For each row whether its lease is held."""
        rows = list(itertools.chain.from_iterable(batch.items))
        verdicts = [Renewed.HELD] * len(rows)
        for places in rounds([row[0] for row in rows]):
            part = [(place, *rows[place]) for place in places]
            held = await connection.fetch(sql("renew"), self._moment(), part)
            if rest := _without(part, held):
                codes = await connection.fetch(sql("renewed"), *columns([row[:4] for row in rest]))
                for place, code in codes:
                    verdicts[place] = _RENEWED[code]
        return _split(verdicts, batch.items)

    async def apply(
        self, connection: Connection, batch: Batch[tuple[Sequence[MoveRow], Mandate | None]]
    ) -> list[list[Applied]]:
        """For each move its verdict; those under a mandate apart, because it is judged by their statement."""
        verdicts: list[list[Applied]] = [[] for _ in batch.items]
        orders: dict[Mandate | None, list[int]] = {}
        for index, (_, under) in enumerate(batch.items):
            orders.setdefault(under, []).append(index)
        marks = itertools.count(batch.mark)
        for under, indexes in orders.items():
            items = [batch.items[index][0] for index in indexes]
            moves = list(itertools.chain.from_iterable(items))
            flat = [Applied.APPLIED] * len(moves)
            for places in rounds([row[_ID] for row, _ in moves]):
                mark = next(marks)
                for is_kept, name in ((False, "apply"), (True, "apply_and_keep")):
                    part = [(place, *moves[place][0]) for place in places if moves[place][1] is is_kept]
                    if part:
                        for place, verdict in await _applied(
                            connection, name, rows=part, under=under, mark=mark, again=batch.again
                        ):
                            flat[place] = verdict
            for index, outcome in zip(indexes, _split(flat, items), strict=True):
                verdicts[index] = outcome
        return verdicts

    async def delete(
        self, connection: Connection, batch: Batch[tuple[Sequence[str], Mandate | None]]
    ) -> list[list[str]]:
        """For each item those of its runs that had ended and are gone now, in its order."""
        gone: list[list[str]] = []
        for run_ids, under in batch.items:
            asked = sorted(set(run_ids))
            found = {row[0] for row in await connection.fetch(sql("delete_runs"), *_order(under), asked)}
            if batch.again:
                found = set(asked) - {row[0] for row in await connection.fetch(sql("existing"), asked)}
            gone.append([run_id for run_id in dict.fromkeys(run_ids) if run_id in found])
        return gone


async def _applied(
    connection: Connection, name: str, *, rows: list[RowOf], under: Mandate | None, mark: int, again: bool
) -> list[tuple[int, Applied]]:
    """Perform moves; the verdicts that are not APPLIED, by place."""
    done = await connection.fetch(sql(name), *_order(under), mark, rows)
    rest = _without(rows, done)
    if not rest:
        return []
    asked = [(row[0], *(row[1 + column] for column in (_ID, _ATTEMPT, _DIGEST, _STATUS))) for row in rest]
    found = await connection.fetch(sql("not_applied"), mark, *columns(asked))
    return [
        (place, Applied.REPLAYED if is_same else Applied.STALE)
        for place, is_same, is_ours in found
        if not (again and is_ours)
    ]


def _judged(run: Run, standing: Run, *, again: bool) -> Added:
    if again and standing.id == run.id:
        return Added(AddVerdict.ADDED, standing)
    is_same = standing.body_digest == run.body_digest
    return Added(AddVerdict.REPLAYED if is_same else AddVerdict.KEY_REUSED, standing)


def _order(under: Mandate | None) -> tuple[str | None, int | None]:
    return (None, None) if under is None else (under.duty, under.epoch)


def _without(rows: Sequence[RowOf], done: Iterable[Any]) -> list[RowOf]:
    """The rows (place first) that a statement did not return."""
    places = {record[0] for record in done}
    return [row for row in rows if row[0] not in places]


def _split(flat: list[Any], items: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The outcomes of all rows, given back to the items that they came in."""
    outcomes = iter(flat)
    return [list(itertools.islice(outcomes, len(item))) for item in items]
