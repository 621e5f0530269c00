"""Everything about upstreams that outlives a snapshot of routes: pools, breakers, retry budgets, limits, counters.

All of it is kept under what it depends on: a changed rule begins anew, an unchanged one goes on where it was. Pools and
breakers belong to one site and one origin, so that one tenant's failing service opens nobody else's.
What no lane refers to after a swap is let go: unused connections at once, those in use when their call ends.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from taskgate.errors import InvalidInput
from taskgate.lifespan import TaskSet
from taskgate.limits.breaker import Breaker
from taskgate.limits.budget import RetryBudget
from taskgate.proxy.admission import RouteLimits
from taskgate.proxy.counters import RouteCounters
from taskgate.proxy.pool import Origin, Pool
from taskgate.proxy.ports import Pinner
from taskgate.proxy.settings import ProxySettings
from taskgate.routes.policy import BreakerRule, RateLimit
from taskgate.routes.service import Route, Service

V = TypeVar("V")
PORTS = {"http": 80, "https": 443}


def origin_of(base_url: str, *, site_id: str) -> Origin:
    """Scheme, host and port of a base URL. InvalidInput for what is no such URL."""
    parts = urlsplit(base_url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise InvalidInput("a base URL begins with http:// or https:// and a host", code="BAD_BASE_URL")
    return Origin(scheme=parts.scheme, host=parts.hostname, port=parts.port or PORTS[parts.scheme], site_id=site_id)


class Upstreams:
    """The standing parts, by key. Before `end_swap` everything still wanted has been asked for."""

    def __init__(
        self, settings: ProxySettings, *, pinner: Pinner, tasks: TaskSet, tls: ssl.SSLContext, share: float = 1.0
    ) -> None:
        self._settings = settings
        self._pinner = pinner
        self._tasks = tasks
        self._tls = tls
        self._share = share
        self._standing: dict[tuple[Any, ...], Any] = {}
        self._wanted: set[tuple[Any, ...]] = set()

    def pool(self, base_url: str, *, site_id: str) -> Pool:
        """The connections of a site to an origin."""
        origin = origin_of(base_url, site_id=site_id)
        return self._same(
            ("pool", origin),
            lambda: Pool(
                origin,
                pinner=self._pinner,
                settings=self._settings,
                tls=self._tls,
                tasks=self._tasks,
                now=time.monotonic,
            ),
        )

    def breaker(self, base_url: str, rule: BreakerRule, *, site_id: str) -> Breaker | None:
        """The breaker of a site's origin under a rule; None where it is switched off."""
        if not rule.failures:
            return None
        key = ("breaker", origin_of(base_url, site_id=site_id), rule)
        return self._same(key, lambda: Breaker(**msgspec.structs.asdict(rule)))

    def budget(self, base_url: str, ratio: float, *, site_id: str) -> RetryBudget:
        """The retries of a site's origin."""
        return self._same(("budget", origin_of(base_url, site_id=site_id), ratio), lambda: RetryBudget(ratio))

    def limits(self, service: Service, route: Route, *, rules: tuple[RateLimit, ...]) -> RouteLimits:
        """The rate limits of a route, with what was taken already."""
        key = ("limits", service.site_id, service.name, route.method, route.path, rules)
        return self._same(key, lambda: RouteLimits(rules, share=self._share))

    def counters(self, service: Service, route: Route) -> RouteCounters:
        """The numbers of a route."""
        return self._same(
            ("counters", service.name, route.method, route.path),
            lambda: RouteCounters(service=service.name, method=route.method, path=route.path),
        )

    def end_swap(self) -> None:
        """Let go of what nobody asked for since the last one."""
        for key in [key for key in self._standing if key not in self._wanted]:
            gone = self._standing.pop(key)
            if isinstance(gone, Pool):
                gone.expire(retire=True)
        self._wanted = set()

    def standing(self, kind: type[V]) -> list[V]:
        """All of one kind."""
        return [value for value in self._standing.values() if isinstance(value, kind)]

    def _same(self, key: tuple[Any, ...], make: Callable[[], V]) -> V:
        self._wanted.add(key)
        found: V | None = self._standing.get(key)
        if found is None:
            found = self._standing[key] = make()
        return found
