"""What a worker's session needs of the gateway, and nothing more.

A session is given this bundle and never the gateway itself, so what a worker's word can reach is what stands below.
The one rule here: a fresh credential on a living link must be the same worker's, of the same tenant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.edge.settings import LinkSettings
from taskgate.edge.workers.counters import LinkCounters
from taskgate.edge.workers.lobby import Lobby
from taskgate.errors import NotNow, StoreError, Unauthenticated
from taskgate.fleet.fleet import Fleet
from taskgate.fleet.ports import Roster
from taskgate.identity.keys import Keys
from taskgate.identity.principal import Principal
from taskgate.journal.allowance import Allowance
from taskgate.runs.declaring import Declarations
from taskgate.runs.dispatcher import Dispatcher
from taskgate.runs.leases import Leases
from taskgate.runs.leasing import Leasing
from taskgate.runs.narrating import Narrator
from taskgate.runs.reporting import Reports
from taskgate.runs.settings import RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRooms:
    """The rooms that hear of workers."""

    bus: Bus
    clock: Clock
    keys: Keys
    fleet: Fleet
    roster: Roster
    declarations: Declarations
    leases: Leases
    leasing: Leasing
    reports: Reports
    narrator: Narrator
    dispatcher: Dispatcher
    runs: RunSettings
    link: LinkSettings
    probe: Callable[[str], None]
    counters: LinkCounters = field(default_factory=LinkCounters)
    lobby: Lobby
    unwritten: Allowance = field(default_factory=Allowance)

    async def holds(self, principal: Principal) -> bool:
        """Whether a living link's credential still counts."""
        try:
            return await self.keys.standing.holds(principal)
        except (NotNow, StoreError):
            return True  # nobody can tell; what its worker does is checked by its leases

    async def renewed(self, principal: Principal, token: str, *, worker_id: str) -> Principal:
        """The principal of a fresh credential for a living link; it must be the same tenant's and the same worker's."""
        fresh = await self.keys.authenticate(token)
        is_bound_elsewhere = fresh.worker_id not in ("", worker_id)
        serves_less = principal.may("serve:*") and not fresh.may("serve:*")
        if not fresh.may("worker") or fresh.site_id != principal.site_id or is_bound_elsewhere or serves_less:
            raise Unauthenticated("the new credential is another tenant's, or none for workers")
        return fresh
