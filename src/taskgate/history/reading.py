"""What callers read of history. Every verb checks the tenant first, with the same answers as for live runs (INV-A1).

A run of another site, or of another user for a key bound to a user, is answered like one that does not exist.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec.structs import replace

from taskgate.errors import NotFound
from taskgate.history.packing import Appetite
from taskgate.history.ports import HistoryFilter, Place, RunArchive
from taskgate.identity.principal import Principal
from taskgate.ids import is_id, is_task_name
from taskgate.runs.run import Run

PAGE = 200


class History:
    """The caller's side of an archive; without one everything is unknown and every page empty."""

    def __init__(self, archive: RunArchive | None) -> None:
        self._archive = archive

    async def get(self, principal: Principal, run_id: str) -> Run:
        """The whole run with all attempts."""
        principal.require("read")
        run = (await self._archive.get([run_id]))[0] if self._archive is not None and is_id(run_id) else None
        if run is None or not _may_see(principal, run):
            raise NotFound("no such run", code="UNKNOWN_RUN")
        return run

    async def find(self, principal: Principal, wanted: HistoryFilter) -> list[Run]:
        """A page of the caller's tenant, newest end first; the filter's own tenant fields are overwritten."""
        principal.require("read")
        if self._archive is None or (wanted.task and not is_task_name(wanted.task)):
            return []
        return await self._archive.history(_narrowed(principal, wanted))

    async def export(self, principal: Principal, wanted: HistoryFilter) -> AsyncIterator[list[Run]]:
        """Whole runs in pages, newest end first, as many as there are; each page is read when it is asked for."""
        appetite = Appetite()
        wanted = replace(wanted, limit=PAGE)
        while heads := await self.find(principal, wanted):
            ids = [run.id for run in heads]
            while ids and self._archive is not None:
                chosen, ids = ids[: appetite.count], ids[appetite.count :]
                runs = [run for run in await self._archive.get(chosen) if run is not None]
                appetite.taken(runs)
                yield runs
            wanted = replace(wanted, cursor=place_of(heads[-1]))


def place_of(run: Run) -> Place:
    """Where an ended run stands in history."""
    return Place(run.ended_at or 0.0, run.id)


def _narrowed(principal: Principal, wanted: HistoryFilter) -> HistoryFilter:
    return replace(wanted, site_id=principal.site_id, user_id=principal.user_id or wanted.user_id)


def _may_see(principal: Principal, run: Run) -> bool:
    return run.tenant.site_id == principal.site_id and principal.user_id in ("", run.tenant.user_id)
