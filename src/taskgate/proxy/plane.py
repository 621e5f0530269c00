"""Whose a request is, and the table that says so: routes compiled into lanes, swapped whole.

A snapshot is compiled beside the table in use; only when all of it stands one reference is swapped, so a request sees
the old table or the new one, and what is under way keeps the lane it began on. A snapshot that cannot be compiled
changes nothing. Paths of the gateway's own are never claimed, whatever was registered.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import msgspec

from taskgate.errors import TaskgateError
from taskgate.lifespan import TaskSet
from taskgate.proxy.call import Means, monotonic
from taskgate.proxy.counters import RouteCounters
from taskgate.proxy.credentials import read_credentials
from taskgate.proxy.exchange import Exchange
from taskgate.proxy.lane import Lane, Leg, Target
from taskgate.proxy.pool import Pool
from taskgate.proxy.ports import Doorkeeper, Front, Head, Item, Pinner, RunDoor
from taskgate.proxy.recording import Recording
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.upstreams import Upstreams
from taskgate.routes.paths import is_reserved
from taskgate.routes.policy import Alternative, Effective, effective
from taskgate.routes.ports import Health
from taskgate.routes.service import Route, Service, Snapshot
from taskgate.routes.table import RouteTable

SWEEP_S = 1.0
ORDER = ("open", "half_open", "closed")


class Plane:
    """The forwarding half of the data plane. A part: between `start` and `stop` its pools are kept tidy.

    Raises InvalidInput where the settings are wrong.
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
    ) -> None:
        self.tasks = TaskSet()
        self._settings = settings
        self.credentials = read_credentials(settings.credentials)
        self.means = Means(settings, door=door, run_door=run_door, recording=recording, tasks=self.tasks)
        tls = tls or ssl.create_default_context()
        self.upstreams = Upstreams(settings, pinner=pinner, tasks=self.tasks, tls=tls, share=share)
        self._table: RouteTable[Lane] = RouteTable()
        self._lanes: list[Lane] = []
        self._defaults = Effective(max_body_bytes=settings.max_body_bytes)

    async def start(self) -> None:
        self.tasks.spawn(self._tidy(), name="idle upstream connections")

    async def stop(self) -> None:
        for pool in self.upstreams.standing(Pool):
            pool.expire(retire=True)
        await self.tasks.close()

    def __call__(self, front: Front, head: Head) -> Item | None:
        """The item that forwards this request; None for the application, which also answers for routes that the
        caller may not know of."""
        path, means = head.path, self.means
        found = self._table.find(head.method, path)
        lane, texts = (self._without_method(path), ()) if found is None else found
        if lane is None or (texts and is_reserved(path)):
            return None
        try:
            principal = means.door.recall(head.pairs, query=head.query, address=head.caller)
        except TaskgateError:
            principal = None  # the exchange asks again, and answers in its turn
        if principal is not None and not lane.serves(principal):
            return None
        return Exchange(means, front, head=head, lane=lane, texts=texts, principal=principal)

    def apply(self, snapshot: Snapshot) -> None:
        """Route by this set of services from the next request on."""
        services = {service.name: service for service in snapshot.services}
        entries = []
        for service in snapshot.services:
            for route in service.routes:
                if not is_reserved(route.path):
                    lane = self._lane(service, route, services=services, away=snapshot.away)
                    entries.append((route.method, route.path, lane))
        self._table, self._lanes = RouteTable(entries), [lane for _, _, lane in entries]
        self.upstreams.end_swap()

    def revoke(self, key_id: str) -> None:
        """A key is good no more: every call and stream that it opened ends at once (INV-A5)."""
        for call in [call for call in self.means.open_calls if call.principal and call.principal.id == key_id]:
            call.revoked()

    def health(self, service_name: str) -> Health:
        """How a service's own upstreams do: the worst state among its breakers."""
        now = monotonic()
        found = {
            lane.legs[0].breaker.state(now)
            for lane in self._lanes
            if lane.service.name == service_name and lane.legs[0].breaker is not None
        }
        return Health(state=next((state for state in ORDER if state in found), "closed"))

    def all_health(self) -> dict[str, Health]:
        """The same for every service that has routes."""
        return {name: self.health(name) for name in {lane.service.name for lane in self._lanes}}

    def counters(self) -> list[RouteCounters]:
        """The numbers of every route that stands."""
        return self.upstreams.standing(RouteCounters)

    # ---------------------------------------------------------------- compiling

    def _lane(self, service: Service, route: Route, *, services: Mapping[str, Service], away: frozenset[str]) -> Lane:
        policy = effective(route.policy, service.policy, defaults=self._defaults)
        if policy.max_body_bytes > self._settings.body_ceiling_bytes:
            policy = msgspec.structs.replace(policy, max_body_bytes=self._settings.body_ceiling_bytes)
        first = Leg(task=route.task) if route.task else self._leg(service, route, service.base_url, policy=policy)
        further = [
            leg
            for alternative in policy.fallback.to
            if (leg := self._further(service, route, alternative, policy=policy, services=services, away=away))
        ]
        return Lane(
            service,
            route,
            policy=policy,
            legs=(first, *further),
            limits=self.upstreams.limits(service, route, rules=policy.rate_limits),
            counters=self.upstreams.counters(service, route),
            credential=self._credential(policy),
            is_away=service.name in away and not route.task,
        )

    def _leg(self, service: Service, route: Route, base_url: str, *, policy: Effective) -> Leg:
        site_id = service.site_id
        upstream_path = route.upstream_path or route.path.removeprefix(service.prefix) or "/"
        return Leg(
            pool=self.upstreams.pool(base_url, site_id=site_id),
            target=Target(route.path, upstream_path, base_url=base_url),
            breaker=self.upstreams.breaker(base_url, policy.breaker, site_id=site_id),
            budget=self.upstreams.budget(base_url, policy.retry.budget, site_id=site_id),
        )

    def _further(
        self,
        service: Service,
        route: Route,
        alternative: Alternative,
        *,
        policy: Effective,
        services: Mapping[str, Service],
        away: frozenset[str],
    ) -> Leg | None:
        """An alternative as a leg; None for a service that is not there, or not this site's to call."""
        if alternative.task:
            return Leg(task=alternative.task)
        if alternative.upstream:
            return self._leg(service, route, alternative.upstream, policy=policy)
        other = services.get(alternative.service)
        if other is None or other.name in away or not other.serves(service.site_id):
            return None
        local = msgspec.structs.replace(service, site_id=other.site_id)
        return self._leg(local, route, other.base_url, policy=policy)

    def _credential(self, policy: Effective) -> bytes | None:
        if policy.credential == "caller":
            return None
        kind, _, name = policy.credential.partition(":")
        return self.credentials.get(name, b"") if kind == "set" else b""

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
            for pool in self.upstreams.standing(Pool):
                pool.expire()
