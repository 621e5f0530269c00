"""Reading whole runs by id: one statement for their rows, one more for earlier attempts where there are any.

The two statements may see different moments. A run's row is read first, and an attempt that its row still shows as
the present one is left out of the earlier ones, so the answer is the run as its row was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from taskgate.runs.run import Run
from taskgate.stores.postgres.pool import Connection
from taskgate.stores.postgres.rows import attempts_of, run_of
from taskgate.stores.postgres.statements import sql


async def runs_by_id(connection: Connection, run_ids: Iterable[str]) -> dict[str, Run]:
    """The runs that exist, whole, by id."""
    records = await connection.fetch(sql("runs_of_ids"), list(dict.fromkeys(run_ids)))
    return {run.id: run for run in await with_earlier(connection, [run_of(record) for record in records])}


async def with_earlier(connection: Connection, runs: Sequence[Run]) -> list[Run]:
    """The runs, each with its earlier attempts."""
    several = [run.id for run in runs if run.attempt > (0 if run.current is None else 1)]
    if not several:
        return list(runs)
    earlier = attempts_of(await connection.fetch(sql("attempts_of_ids"), several))
    filled: list[Run] = []
    for run in runs:
        last = run.attempt if run.current is None else run.attempt - 1
        attempts = tuple(attempt for attempt in earlier.get(run.id, ()) if attempt.number <= last)
        filled.append(replace(run, attempts=attempts) if attempts else run)
    return filled
