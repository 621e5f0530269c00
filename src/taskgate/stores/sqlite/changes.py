"""What the writer performs for the run ledger: few large statements, each guarded in its own text.

Every function takes the items of all calls of its kind in one group commit. A statement over a table of
values tells only how many rows it changed: when that is all of them, no more is asked. Otherwise one more
statement finds out which rows were left alone and why. `change` marks what one statement wrote, so that
"applied by this statement" and "was so already" cannot be mixed up.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from taskgate.runs.ports import Applied, Mandate, Renewed
from taskgate.runs.run import Run
from taskgate.stores.sqlite.leadership import stands
from taskgate.stores.sqlite.reading import one, runs_by_id, with_earlier
from taskgate.stores.sqlite.rows import runs_of
from taskgate.stores.sqlite.statements import Bulk, rounds, slices

RowOf = tuple[Any, ...]
_RENEWED = (Renewed.HELD, Renewed.STOP, Renewed.LOST)


class RunChanges:
    """The four ways in which the ledger changes runs."""

    def __init__(self) -> None:
        self._marks = itertools.count(secrets.randbits(61))
        self._add = Bulk("add")
        self._add_large = Bulk("add_large")
        self._not_added = Bulk("not_added")
        self._claim = Bulk("claim")
        self._claimed = Bulk("claimed")
        self._renew = Bulk("renew")
        self._renewed = Bulk("renewed")
        self._close = Bulk("close_attempts")
        self._apply = Bulk("apply")
        self._not_applied = Bulk("not_applied")

    def add(
        self, connection: apsw.Connection, items: list[tuple[Sequence[RowOf], Sequence[RowOf]]]
    ) -> Sequence[list[Run | None] | None]:
        """For each item None when all of its rows were added, else per row the run that stood in its way.

        An item is the parameters of `add` and, for its large inputs, of `add_large`.
        """
        rows = list(itertools.chain.from_iterable(item[0] for item in items))
        large: dict[str, RowOf] = {}
        for row in itertools.chain.from_iterable(item[1] for item in items):
            large.setdefault(row[0], row)
        earlier: dict[int, str] = {}
        for places in rounds(rows):
            for part in slices(places):
                mark = next(self._marks)
                self._add.execute(connection, [rows[place] for place in part], mark)
                if connection.changes() < len(part):
                    asked = [(place, *(rows[place][column] for column in (0, 1, 4, 11))) for place in part]
                    earlier.update(_json(self._not_added.execute(connection, asked, mark)))
                for place in part if large else ():
                    # one by one: each may have most of a megabyte, and they are rare
                    if rows[place][0] in large:
                        self._add_large.execute(connection, [large[rows[place][0]]], mark)
        if not earlier:
            return [None] * len(items)
        runs = runs_by_id(connection, earlier.values())
        flat = [runs[earlier[place]] if place in earlier else None for place in range(len(rows))]
        return _split(flat, [item[0] for item in items])

    def claim(self, connection: apsw.Connection, items: list[Sequence[RowOf]]) -> list[list[Run | None]]:
        """For each row the leased run, None where it was not queued."""
        rows = list(itertools.chain.from_iterable(items))
        leased: dict[tuple[str, str], Run] = {}
        for places in rounds(rows):
            for part in slices(places):
                self._claim.execute(connection, [rows[place] for place in part])
                if not connection.changes():
                    continue
                asked = [rows[place][:2] for place in part]
                runs = list(runs_of(one(self._claimed.execute(connection, asked))))
                for run in itertools.chain(runs, with_earlier(connection, runs)):
                    leased[run.id, run.lease.token if run.lease is not None else ""] = run
        flat = [leased.get(row[:2]) for row in rows]
        return _split(flat, items)

    def renew(self, connection: apsw.Connection, items: list[Sequence[RowOf]]) -> list[list[Renewed]]:
        """For each row whether its lease is held."""
        rows = list(itertools.chain.from_iterable(items))
        flat = [Renewed.HELD] * len(rows)
        for places in rounds(rows):
            for part in slices(places):
                self._renew.execute(connection, [rows[place] for place in part])
                if connection.changes() < len(part):
                    asked = [rows[place][:3] for place in part]
                    for place, code in zip(part, _json(self._renewed.execute(connection, asked)), strict=True):
                        flat[place] = _RENEWED[code]
        return _split(flat, items)

    def apply(
        self, connection: apsw.Connection, items: list[Sequence[tuple[RowOf, RowOf | None]]]
    ) -> list[list[Applied]]:
        """For each move its verdict. An item is the parameters of `apply` and, for a run that goes on, of
        `close_attempts`."""
        pairs = list(itertools.chain.from_iterable(items))
        rows = [row for row, _ in pairs]
        flat = [Applied.APPLIED] * len(rows)
        for places in rounds(rows):
            for part in slices(places):
                mark = next(self._marks)
                closing = [close for place in part if (close := pairs[place][1]) is not None]
                if closing:
                    self._close.execute(connection, closing)
                self._apply.execute(connection, [rows[place] for place in part], mark)
                if connection.changes() < len(part):
                    asked = [(place, *(rows[place][column] for column in (0, 1, 17, 4))) for place in part]
                    for place, is_same in _json(self._not_applied.execute(connection, asked, mark)):
                        flat[place] = Applied.REPLAYED if is_same else Applied.STALE
        return _split(flat, items)

    def apply_under(
        self, connection: apsw.Connection, items: list[tuple[Sequence[tuple[RowOf, RowOf | None]], Mandate]]
    ) -> list[list[Applied]]:
        """`apply` for leaders: the moves of one who was deposed meanwhile are all stale."""
        return [
            self.apply(connection, [pairs])[0] if stands(connection, under) else [Applied.STALE] * len(pairs)
            for pairs, under in items
        ]


def _split(flat: list[Any], items: list[Sequence[Any]]) -> list[list[Any]]:
    """The outcomes of all rows, given back to the items that they came in."""
    outcomes = iter(flat)
    return [list(itertools.islice(outcomes, len(item))) for item in items]


def _json(cursor: apsw.Cursor) -> Any:
    return msgspec.json.decode(one(cursor)[0])
