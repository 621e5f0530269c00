"""Reading whole runs by id: one step for their rows, one more for earlier attempts where there are any.

The two steps may see different moments. A run's row is read first, and an attempt that its row still shows
as the present one is left out of the earlier ones, so the answer is the run as its row was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import apsw
from msgspec.structs import replace

from taskgate.runs.run import Run
from taskgate.stores.sqlite.rows import attempts_of, runs_of
from taskgate.stores.sqlite.statements import Bulk, slices

_RUNS = Bulk("runs_of_ids")
_ATTEMPTS = Bulk("attempts_of_ids")


def runs_by_id(connection: apsw.Connection, run_ids: Iterable[str], *, with_attempts: bool = True) -> dict[str, Run]:
    """The runs that exist, by id."""
    found: dict[str, Run] = {}
    for part in slices([(run_id,) for run_id in dict.fromkeys(run_ids)]):
        found.update((run.id, run) for run in runs_of(one(_RUNS.execute(connection, part))))
    if with_attempts:
        for run in with_earlier(connection, list(found.values())):
            found[run.id] = run
    return found


def with_earlier(connection: apsw.Connection, runs: Sequence[Run]) -> list[Run]:
    """Those of the runs that have earlier attempts, with them."""
    several = [(run.id,) for run in runs if run.attempt > (0 if run.current is None else 1)]
    if not several:
        return []
    earlier = {}
    for part in slices(several):
        earlier.update(attempts_of(one(_ATTEMPTS.execute(connection, part))))
    filled: list[Run] = []
    for run in runs:
        last = run.attempt if run.current is None else run.attempt - 1
        attempts = tuple(attempt for attempt in earlier.get(run.id, ()) if attempt.number <= last)
        if attempts:
            filled.append(replace(run, attempts=attempts))
    return filled


def one(cursor: apsw.Cursor) -> tuple[Any, ...]:
    """The only row of a statement that always has one."""
    (row,) = cursor.fetchall()
    return row
