"""Whose a request is, and the table that says so: routes compiled into lanes, swapped whole.

A snapshot is compiled beside the table in use (`compiling.py`: what changed, alone); only when all of it stands one
reference is swapped, so a request sees the old table or the new one, and what is under way keeps the lane it began
on. A snapshot that cannot be compiled changes nothing. Paths of the gateway's own are never claimed, whatever was
registered.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from time import time
from typing import Any

from taskgate.errors import TaskgateError
from taskgate.identity.signing import IdentitySigner
from taskgate.lifespan import TaskSet
from taskgate.limits.drawing import Drawing
from taskgate.proxy.call import ANSWERING, RELAYING, Means, monotonic
from taskgate.proxy.compiling import Compiler, Part
from taskgate.proxy.counters import RouteCounters
from taskgate.proxy.credentials import read_credentials
from taskgate.proxy.exchange import Exchange
from taskgate.proxy.lane import Lane
from taskgate.proxy.origins import Origins
from taskgate.proxy.pool import Pool
from taskgate.proxy.ports import Doorkeeper, Front, Head, Item, Pinner, RunDoor
from taskgate.proxy.recording import Recording
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.upstreams import Upstreams
from taskgate.proxy.vouching import Vouching
from taskgate.routes.health import worst
from taskgate.routes.paths import is_reserved
from taskgate.routes.ports import Health
from taskgate.routes.service import Snapshot
from taskgate.routes.table import RouteTable

SWEEP_S = 1.0
STREAMING = frozenset({ANSWERING, RELAYING})
REMEMBERED_PLACES = 4096
REMEMBERED_LENGTH = 256


class Plane:
    """The forwarding half of the data plane. A part: between `start` and `stop` its pools are kept tidy.

    With `drawing` all gateways give out the rate limits of routes together. Raises InvalidInput where the settings are
    wrong.
    """

    def __init__(
        self,
        settings: ProxySettings,
        *,
        door: Doorkeeper,
        pinner: Pinner,
        run_door: RunDoor | None = None,
        recording: Recording | None = None,
        tls: ssl.SSLContext | None = None,
        share: float = 1.0,
        drawing: Drawing | None = None,
        signer: IdentitySigner | None = None,
        origins: Iterable[str] = (),
    ) -> None:
        self.tasks = TaskSet()
        self.credentials = read_credentials(settings.credentials)
        self.means = Means(
            settings,
            door=door,
            run_door=run_door,
            recording=recording,
            tasks=self.tasks,
            origins=Origins(origins),
            vouching=Vouching(signer),
        )
        self._drawing = drawing
        self.shared = None if drawing is None else drawing.limit
        self.upstreams = Upstreams(settings, pinner=pinner, tasks=self.tasks, tls=tls, share=share, shared=self.shared)
        self._compiler = Compiler(settings, self.upstreams, credentials=self.credentials)
        self._parts: Mapping[str, Part] = {}
        self._table: RouteTable[Lane] = RouteTable()
        self._has_twins = False
        self.lapsing: set[Any] = set()
        self._remembered: dict[tuple[str, str], Lane] = {}

    async def start(self) -> None:
        if self._drawing is not None:
            await self._drawing.start()
        self.tasks.spawn(self._tidy(), name="idle upstream connections")

    async def stop(self) -> None:
        for pool in self.upstreams.standing(Pool):
            pool.expire(retire=True)
        await self.tasks.close()
        if self._drawing is not None:
            await self._drawing.stop()

    def __call__(self, front: Front, head: Head) -> Item | None:
        """The item that forwards this request; None for the application, which also answers for routes that the
        caller may not know of."""
        means = self.means
        place = (head.method, head.path)
        lane = self._remembered.get(place) or self._find(place)
        if lane is None or (means.origins.is_on and means.origins.is_preflight(head)):
            return None
        try:
            principal = means.door.recall(head.pairs, query=head.query, address=head.caller, memory=head.memory)
        except TaskgateError:
            principal = None  # the exchange asks again, and answers in its turn
        if principal is not None and not lane.serves(principal):
            return None
        return Exchange(means, front, head=head, lane=lane, principal=principal)

    def _find(self, place: tuple[str, str]) -> Lane | None:
        """The lane of a method and path. What was found is remembered until the table is another one."""
        method, path = place
        found = self._table.find(method, path)
        lane, texts = (self._without_method(path), ()) if found is None else found
        if lane is None or (texts and is_reserved(path)):
            return None
        if len(path) <= REMEMBERED_LENGTH:
            if len(self._remembered) >= REMEMBERED_PLACES:
                self._remembered.clear()
            self._remembered[place] = lane
        return lane

    def apply(self, snapshot: Snapshot) -> None:
        """Route by this set of services from the next request on. Costs what differs from the last one."""
        fresh = self._compiler.compiled(snapshot, self._parts)
        old = self._parts
        stayed = {name for name, part in fresh.items() if old.get(name) is part}
        entries = sum(len(part.entries) for part in fresh.values())
        table = self._table.changed(
            ((method, path) for name, part in old.items() if name not in stayed for method, path, _ in part.entries),
            (entry for name, part in fresh.items() if name not in stayed for entry in part.entries),
        )
        if self._has_twins or len(table) != entries:
            table = RouteTable(entry for part in fresh.values() for entry in part.entries)
        self._table, self._parts, self._has_twins = table, fresh, len(table) != entries
        self._remembered = {}
        for name in old.keys() - stayed:
            self.upstreams.kept.let_go(old[name].holds)
        self.upstreams.end_swap()

    def revoke(self, key_id: str) -> None:
        """A key is good no more: every call and stream that it opened ends at once (INV-A5)."""
        for call in [call for call in self.means.open_calls if call.principal and call.principal.is_named(key_id)]:
            call.revoked()

    def health(self, service_name: str) -> Health:
        """How a service's own upstreams do, the worst of them."""
        part, now = self._parts.get(service_name), monotonic()
        if part is None:
            return Health()
        ailing = [Health(state=breaker.state(now)) for breaker in part.breakers]
        ailing += [Health(failures=one.failures, last_error=one.last_error) for one in part.conditions]
        return worst(ailing)

    def all_health(self) -> dict[str, Health]:
        """The same for every service that has routes."""
        return {name: self.health(name) for name, part in self._parts.items() if part.entries}

    def counters(self) -> list[RouteCounters]:
        """The numbers of every route that stands."""
        return self.upstreams.standing(RouteCounters)

    def _without_method(self, path: str) -> Lane | None:
        """The lane that tells a caller who may know of the path which methods it has."""
        methods = self._table.methods(path)
        if not methods or is_reserved(path):
            return None
        if "GET" in methods:
            methods |= {"HEAD"}
        found = self._table.find(min(methods), path)
        return None if found is None else found[0].for_methods(", ".join(sorted(methods)))

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            end_lapsed(self, time())
            for pool in self.upstreams.standing(Pool):
                pool.expire()


def end_lapsed(plane: Plane, now: float) -> None:
    """End every stream whose caller's credential has ended by itself, at the second look: an answer that is just going
    out is let out. Who still waits for an answer was let in in time."""
    lapsed = {
        call
        for call in plane.means.open_calls
        if call.state in STREAMING and call.principal is not None and call.principal.has_lapsed(now)
    }
    for call in lapsed & plane.lapsing:
        call.revoked()
    plane.lapsing = lapsed - plane.lapsing
