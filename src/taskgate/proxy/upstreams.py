"""Everything about upstreams that outlives a snapshot of routes: pools, breakers, retry budgets, limits, counters.

All of it is kept under what it depends on: a changed rule begins anew, an unchanged one goes on where it was. Pools and
breakers belong to one site and one origin, so that one tenant's failing service opens nobody else's.
Whoever compiles holds what its lanes refer to until they are gone; what nobody holds any more is let go with the next
swap: unused connections at once, those in use when their call ends.
"""

from __future__ import annotations

import ssl
import time
from typing import TypeVar

import msgspec

from taskgate.lifespan import TaskSet
from taskgate.limits.breaker import Breaker
from taskgate.limits.budget import RetryBudget
from taskgate.proxy.admission import RouteLimits, Shared
from taskgate.proxy.counters import RouteCounters
from taskgate.proxy.kept import Kept
from taskgate.proxy.pool import Origin, Pool
from taskgate.proxy.ports import Pinner
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.wire import Outgoing
from taskgate.reach.addresses import read_base_url
from taskgate.routes.policy import BreakerRule, RateLimit
from taskgate.routes.service import Route, Service

V = TypeVar("V")


def origin_of(base_url: str, *, site_id: str) -> Origin:
    """Scheme, host and port of a base URL. InvalidInput for what is no such URL."""
    address = read_base_url(base_url)
    return Origin(scheme=address.scheme, host=address.host, port=address.port, site_id=site_id)


class Upstreams:
    """The standing parts, made when they are asked for the first time; `kept` says who needs them. Upstreams are
    trusted by `tls`, or by the authorities of this machine."""

    def __init__(
        self,
        settings: ProxySettings,
        *,
        pinner: Pinner,
        tasks: TaskSet,
        tls: ssl.SSLContext | None = None,
        share: float = 1.0,
        shared: Shared | None = None,
    ) -> None:
        self._settings = settings
        self._pinner = pinner
        self._tasks = tasks
        self._tls = tls
        self._share = share
        self._shared = shared
        self._outgoing = Outgoing()
        self.kept = Kept()

    def pool(self, base_url: str, *, site_id: str) -> Pool:
        """The connections of a site to an origin."""
        origin = origin_of(base_url, site_id=site_id)
        return self.kept.same(
            Pool,
            (origin,),
            make=lambda: Pool(
                origin,
                pinner=self._pinner,
                settings=self._settings,
                tls=self._trust() if origin.scheme == "https" else None,
                tasks=self._tasks,
                now=time.monotonic,
                outgoing=self._outgoing,
            ),
        )

    def _trust(self) -> ssl.SSLContext:
        """What TLS upstreams are judged by; reading the machine's authorities is slow, so the first one does it."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def breaker(self, base_url: str, rule: BreakerRule, *, site_id: str) -> Breaker | None:
        """The breaker of a site's origin under a rule; None where it is switched off."""
        if not rule.failures:
            return None
        key = (origin_of(base_url, site_id=site_id), rule)
        return self.kept.same(Breaker, key, make=lambda: Breaker(**msgspec.structs.asdict(rule)))

    def budget(self, base_url: str, ratio: float, *, site_id: str) -> RetryBudget:
        """The retries of a site's origin."""
        key = (origin_of(base_url, site_id=site_id), ratio)
        return self.kept.same(RetryBudget, key, make=lambda: RetryBudget(ratio))

    def limits(self, service: Service, route: Route, *, rules: tuple[RateLimit, ...]) -> RouteLimits:
        """The rate limits of a route, with what was taken already."""
        key = (service.site_id, service.name, route.method, route.path, rules)
        name = f"{service.site_id} {service.name} {route.method} {route.path}"
        return self.kept.same(
            RouteLimits, key, make=lambda: RouteLimits(rules, share=self._share, name=name, shared=self._shared)
        )

    def counters(self, service: Service, route: Route) -> RouteCounters:
        """The numbers of a route."""
        return self.kept.same(
            RouteCounters,
            (service.name, route.method, route.path),
            make=lambda: RouteCounters(service=service.name, method=route.method, path=route.path),
        )

    def end_swap(self) -> None:
        """Let go of what nobody holds, and nobody has asked for since the last one."""
        for gone in self.kept.swept():
            if isinstance(gone, Pool):
                gone.expire(retire=True)

    def standing(self, kind: type[V]) -> list[V]:
        """All of one kind."""
        return self.kept.standing(kind)
