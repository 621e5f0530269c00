"""Which worker a credential may speak as.

A name belongs to the site that used it first, and while a worker is connected its name belongs to its key. What a
body or a header says is only ever compared with that; it gives no right to anything.
"""

from __future__ import annotations

from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.errors import Forbidden
from taskgate.fleet.fleet import seen_elsewhere
from taskgate.fleet.ports import Roster
from taskgate.identity.principal import Principal
from taskgate.runs.task import SHARED


async def check_name(rooms: WorkerRooms, principal: Principal, *, worker_id: str) -> None:
    """Forbidden (WORKER_ID_TAKEN) when the name is another site's, or in use with another key."""
    if principal.worker_id not in ("", worker_id):
        raise Forbidden(f"this credential is {principal.worker_id}'s alone", code="WRONG_WORKER")
    await check_owner(rooms.roster, worker_id, site_id=site_of(principal))
    check_seat(rooms, principal, worker_id=worker_id)


async def check_owner(roster: Roster, worker_id: str, *, site_id: str) -> None:
    """Forbidden (WORKER_ID_TAKEN) when another site than this has used the name; `*` is all sites."""
    record = await roster.find(worker_id)
    if record is not None and record.site_id != site_id:
        raise Forbidden(
            f"the worker id {worker_id} is taken: it was first used for other sites than this credential's",
            code="WORKER_ID_TAKEN",
        )


def check_seat(rooms: WorkerRooms, principal: Principal, *, worker_id: str) -> None:
    """As `check_name`, for what can be told at once: who is connected now."""
    seated = rooms.fleet.find(worker_id) or seen_elsewhere(rooms.fleet, worker_id)
    if seated is not None and seated.key_id != principal.id:
        raise Forbidden(f"the worker id {worker_id} is in use with another key", code="WORKER_ID_TAKEN")


def site_of(principal: Principal) -> str:
    """The site that a worker with this credential works for; `*` for one that serves all."""
    return SHARED if principal.may("serve:*") else principal.site_id
