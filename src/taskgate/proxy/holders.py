"""Which services runs may be forwarded to: one holder for each, made and ended as services come and go.

Follows the set of registered services. A service whose lease has lapsed takes nothing new, so that its runs wait or
move on along their chains; calls under way are finished. A changed registration counts from the next call on.
Leases of calls under way are renewed with every heartbeat. At the end no call is left: what was not answered in time
is given up, so that the next process need not wait for the leases.
"""

from __future__ import annotations

import asyncio
import logging

from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.fleet.fleet import Fleet
from taskgate.lifespan import TaskSet
from taskgate.proxy.caller import Caller
from taskgate.proxy.holder import RunRooms, ServiceHolder
from taskgate.proxy.settings import ProxySettings
from taskgate.routes.service import Service, Snapshot
from taskgate.runs.definitions import Definitions

_log = logging.getLogger(__name__)


class ServiceHolders:
    """The holders of target `http`. `follow` is called with every new set of services."""

    def __init__(
        self,
        rooms: RunRooms,
        *,
        definitions: Definitions,
        fleet: Fleet,
        clock: Clock,
        caller: Caller,
        settings: ProxySettings,
        heartbeat_s: float,
        max_bytes: int,
    ) -> None:
        self._rooms = rooms
        self._definitions = definitions
        self._fleet = fleet
        self._clock = clock
        self._caller = caller
        self._settings = settings
        self._heartbeat_s = heartbeat_s
        self._max_bytes = max_bytes
        self._by_name: dict[str, ServiceHolder] = {}
        self._leaving: list[ServiceHolder] = []
        self._snapshot = Snapshot()
        self._changed = asyncio.Event()
        self._calls = TaskSet()
        self.tasks = TaskSet()

    async def start(self) -> None:
        self.tasks.spawn(self._follow(), name="services that take runs")
        self.tasks.spawn(self._beats(), name="leases of forwarded runs")

    async def stop(self) -> None:
        """Let calls under way end, for a while, then cut them and give their runs up."""
        await self.tasks.close()
        for one in self._all():
            one.holder.draining = True
        if not await self._calls.rest(self._settings.forward_drain_s):
            _log.warning("the gateway stops before every service has answered")
        helds = [held for one in self._all() for held in one.held()]
        await self._calls.close()
        try:
            await self._rooms.reports.lost(helds, reason="the gateway stopped")
        except (NotNow, StoreError) as error:
            _log.warning("%d forwarded runs wait until their leases run out: %s", len(helds), error)

    def follow(self, snapshot: Snapshot) -> None:
        """The services have changed. Returns at once; the fleet follows."""
        self._snapshot = snapshot
        self._changed.set()

    async def beat(self) -> None:
        """Renew every lease, cut what was lost."""
        await asyncio.gather(*(self._renew(one) for one in self._all()))
        self._leaving = [one for one in self._leaving if one.is_busy]

    async def _renew(self, one: ServiceHolder) -> None:
        if receipts := [held.receipt for held in one.held()]:
            _, stop = await self._rooms.leasing.renew(receipts, one.holder)
            one.fence(stop)

    def _all(self) -> list[ServiceHolder]:
        return [*self._by_name.values(), *self._leaving]

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            snapshot = self._snapshot
            wanted = {service.name: service for service in snapshot.services}
            for name, one in tuple(self._by_name.items()):
                if name not in wanted or not one.suits(wanted[name]):
                    await self._dismiss(name)
            for name, service in wanted.items():
                await self._seat(service, is_away=name in snapshot.away)

    async def _seat(self, service: Service, *, is_away: bool) -> None:
        one = self._by_name.get(service.name)
        if one is None:
            one = self._by_name[service.name] = ServiceHolder(
                service,
                self._rooms,
                definitions=self._definitions,
                clock=self._clock,
                caller=self._caller,
                limit=self._settings.forward_limit,
                max_bytes=self._max_bytes,
                tasks=self._calls,
            )
            one.holder.draining = is_away
            await self._fleet.join(one.holder)
        one.service = service
        one.holder.draining = is_away
        if not is_away:
            self._rooms.dispatcher.wake(one.holder)

    async def _dismiss(self, name: str) -> None:
        one = self._by_name.pop(name)
        one.holder.draining = True
        self._leaving.append(one)
        await self._fleet.leave(one.holder)

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await self.beat()
