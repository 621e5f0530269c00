"""The run book in SQLite: reading runs in the readers' threads, and the little upkeep that only a book does.

What is asked by id never waits behind what has to search: they have a thread each.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import msgspec

from taskgate.clock import Clock
from taskgate.runs.ports import Glance, Mandate, RunFilter
from taskgate.runs.run import Run, Status
from taskgate.stores.columns import STATUSES, mask_of
from taskgate.stores.sqlite.leadership import stands
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.reading import one, runs_by_id
from taskgate.stores.sqlite.statements import Bulk, slices, sql
from taskgate.stores.sqlite.writer import Writer

_GLANCES = Bulk("glance")
ENDS_AND_OPEN = frozenset(Status)
DELETED_AT_ONCE = 100  # everybody waits for a commit that deletes
LAST = "\U0010ffff"  # sorts behind every id


class SqliteRunBook:
    """Reading runs. `reader` answers what is asked by id, `lister` what has to search."""

    def __init__(self, writer: Writer, reader: Reader, *, lister: Reader, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._lister = lister
        self._clock = clock

    async def get(self, run_ids: Sequence[str]) -> list[Run | None]:
        """Whole runs in order, None for an unknown id."""
        return await self._reader.submit(_get, run_ids) if run_ids else []

    async def glance(self, run_ids: Sequence[str]) -> list[Glance | None]:
        """Tenant and state in order, None for an unknown id."""
        return await self._reader.submit(_glance, run_ids) if run_ids else []

    async def find(self, wanted: RunFilter) -> list[Run]:
        """A page of a site's runs, newest first."""
        return await self._lister.submit(_find, wanted)

    async def count(self, site_id: str) -> dict[Status, int]:
        """How many runs of a site are in each state."""
        return await self._lister.submit(_count, site_id)

    async def mark_stopped(self, run_id: str, attempt: int) -> None:
        """Fill `stopped_at` of an ended run, once."""
        await self._writer.submit(_mark_stopped, (run_id, attempt, self._clock.now()))

    async def purge(self, ended_before: float, limit: int, *, under: Mandate | None = None) -> list[str]:
        """Delete the runs that ended first, with their attempts and keys."""
        gone: list[str] = []
        while len(gone) < limit:
            wanted = min(limit - len(gone), DELETED_AT_ONCE)
            found = await self._writer.submit(_purge, (ended_before, wanted, under))
            gone += found
            if len(found) < wanted:
                break
        return gone

    async def remove(self, run_ids: Sequence[str]) -> list[str]:
        """Delete those of the runs that have ended."""
        gone: list[str] = []
        for start in range(0, len(run_ids), DELETED_AT_ONCE):
            gone += await self._writer.submit(_remove, run_ids[start : start + DELETED_AT_ONCE])
        return gone


# ---------------------------------------------------------------- in the readers' threads


def _get(connection: apsw.Connection, items: list[Sequence[str]]) -> list[list[Run | None]]:
    runs = runs_by_id(connection, (run_id for item in items for run_id in item))
    return [[runs.get(run_id) for run_id in item] for item in items]


def _glance(connection: apsw.Connection, items: list[Sequence[str]]) -> list[list[Glance | None]]:
    found: dict[str, Glance] = {}
    for part in slices([(run_id,) for run_id in dict.fromkeys(run_id for item in items for run_id in item)]):
        for run_id, site_id, user_id, number in msgspec.json.decode(one(_GLANCES.execute(connection, part))[0]):
            found[run_id] = Glance(site_id, user_id, STATUSES[number])
    return [[found.get(run_id) for run_id in item] for item in items]


def _find(connection: apsw.Connection, items: list[RunFilter]) -> list[list[Run]]:
    return [_page(connection, wanted) for wanted in items]


def _page(connection: apsw.Connection, wanted: RunFilter) -> list[Run]:
    statuses = ENDS_AND_OPEN if wanted.status is None else frozenset({wanted.status})
    label_name, label_value = wanted.label or (None, None)
    parameters: dict[str, str | int | None] = {
        "site_id": wanted.site_id,
        "cursor": wanted.cursor or LAST,
        "task": wanted.task,
        "label_name": label_name,
        "label_value": label_value,
        "dead": wanted.dead,
        "statuses": mask_of(statuses & {Status.FAILED} if wanted.dead else statuses),
        "limit": wanted.limit,
    }
    if wanted.user_id:
        text = sql("find_of_user")
        parameters["user_id"] = wanted.user_id
    else:
        text = sql("find")
    run_ids: list[str] = msgspec.json.decode(one(connection.execute(text, parameters))[0])
    runs = runs_by_id(connection, run_ids, with_attempts=False)
    return [runs[run_id] for run_id in run_ids if run_id in runs]


def _count(connection: apsw.Connection, items: list[str]) -> list[dict[Status, int]]:
    found: list[dict[Status, int]] = []
    for site_id in items:
        rows = msgspec.json.decode(one(connection.execute(sql("count"), (site_id,)))[0])
        found.append({STATUSES[number]: total for number, total in rows})
    return found


# ---------------------------------------------------------------- in the writer's thread


def _mark_stopped(connection: apsw.Connection, items: list[tuple[str, int, float]]) -> list[None]:
    for item in items:
        connection.execute(sql("mark_stopped"), item)
    return [None] * len(items)


def _purge(connection: apsw.Connection, items: list[tuple[float, int, Mandate | None]]) -> list[list[str]]:
    return [
        _delete(connection, one(connection.execute(sql("purgeable"), (before, limit)))[0])
        if stands(connection, under)
        else []
        for before, limit, under in items
    ]


def _remove(connection: apsw.Connection, items: list[Sequence[str]]) -> list[list[str]]:
    removed: list[list[str]] = []
    for item in items:
        asked = msgspec.json.encode(list(dict.fromkeys(item))).decode()
        removed.append(_delete(connection, one(connection.execute(sql("removable"), (asked,)))[0]))
    return removed


def _delete(connection: apsw.Connection, document: str) -> list[str]:
    """Delete the runs of a JSON list of ids, with all that belongs to them."""
    run_ids: list[str] = msgspec.json.decode(document)
    if run_ids:
        connection.execute(sql("delete_attempts"), (document,))
        connection.execute(sql("delete_large"), (document,))
        connection.execute(sql("delete_runs"), (document,))
    return run_ids
