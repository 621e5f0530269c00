"""Everything about upstreams that outlives a snapshot of routes: pools, breakers, retry budgets, limits, counters.

All of it is kept under what it depends on: a changed rule begins anew, an unchanged one goes on where it was. Pools and
breakers belong to one site and one origin, so that one tenant's failing service opens nobody else's.
Whoever compiles holds what its lanes refer to until they are gone; what nobody holds any more is let go with the next
swap: unused connections at once, those in use when their call ends.
"""

from __future__ import annotations

import ssl
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from taskgate.lifespan import TaskSet
from taskgate.limits.breaker import Breaker
from taskgate.limits.budget import RetryBudget
from taskgate.proxy.admission import RouteLimits
from taskgate.proxy.counters import RouteCounters
from taskgate.proxy.pool import Origin, Pool
from taskgate.proxy.ports import Pinner
from taskgate.proxy.settings import ProxySettings
from taskgate.reach.addresses import read_base_url
from taskgate.routes.policy import BreakerRule, RateLimit
from taskgate.routes.service import Route, Service

V = TypeVar("V")
Key = tuple[type, tuple[Any, ...]]


def origin_of(base_url: str, *, site_id: str) -> Origin:
    """Scheme, host and port of a base URL. InvalidInput for what is no such URL."""
    address = read_base_url(base_url)
    return Origin(scheme=address.scheme, host=address.host, port=address.port, site_id=site_id)


class Upstreams:
    """The standing parts, by kind and key. What was asked for outside of `holding` stands until the second
    `end_swap` after it."""

    def __init__(
        self, settings: ProxySettings, *, pinner: Pinner, tasks: TaskSet, tls: ssl.SSLContext, share: float = 1.0
    ) -> None:
        self._settings = settings
        self._pinner = pinner
        self._tasks = tasks
        self._tls = tls
        self._share = share
        self._standing: defaultdict[type, dict[tuple[Any, ...], Any]] = defaultdict(dict)
        self._holds: Counter[Key] = Counter()
        self._holding: set[Key] | None = None
        self._loose: set[Key] = set()
        self._unheld: set[Key] = set()

    @contextmanager
    def holding(self) -> Iterator[set[Key]]:
        """Everything asked for within is held, once, until it is let go; at once when this fails."""
        held = self._holding = set[Key]()
        try:
            yield held
        except BaseException:
            self.let_go(held)
            raise
        finally:
            self._holding = None

    def let_go(self, held: Iterable[Key]) -> None:
        """Hold this no more."""
        for key in held:
            self._holds[key] -= 1
            if not self._holds[key]:
                del self._holds[key]
                self._unheld.add(key)

    def pool(self, base_url: str, *, site_id: str) -> Pool:
        """The connections of a site to an origin."""
        origin = origin_of(base_url, site_id=site_id)
        return self._same(
            Pool,
            (origin,),
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
        key = (origin_of(base_url, site_id=site_id), rule)
        return self._same(Breaker, key, lambda: Breaker(**msgspec.structs.asdict(rule)))

    def budget(self, base_url: str, ratio: float, *, site_id: str) -> RetryBudget:
        """The retries of a site's origin."""
        key = (origin_of(base_url, site_id=site_id), ratio)
        return self._same(RetryBudget, key, lambda: RetryBudget(ratio))

    def limits(self, service: Service, route: Route, *, rules: tuple[RateLimit, ...]) -> RouteLimits:
        """The rate limits of a route, with what was taken already."""
        key = (service.site_id, service.name, route.method, route.path, rules)
        return self._same(RouteLimits, key, lambda: RouteLimits(rules, share=self._share))

    def counters(self, service: Service, route: Route) -> RouteCounters:
        """The numbers of a route."""
        return self._same(
            RouteCounters,
            (service.name, route.method, route.path),
            lambda: RouteCounters(service=service.name, method=route.method, path=route.path),
        )

    def end_swap(self) -> None:
        """Let go of what nobody holds, and nobody has asked for since the last one."""
        for kind, key in [one for one in self._unheld - self._loose if one not in self._holds]:
            gone = self._standing[kind].pop(key, None)
            if isinstance(gone, Pool):
                gone.expire(retire=True)
        self._unheld, self._loose = self._loose, set()

    def standing(self, kind: type[V]) -> list[V]:
        """All of one kind."""
        return list(self._standing[kind].values())

    def _same(self, kind: type[V], key: tuple[Any, ...], make: Callable[[], V]) -> V:
        self._note((kind, key))
        standing = self._standing[kind]
        found: V | None = standing.get(key)
        if found is None:
            found = standing[key] = make()
        return found

    def _note(self, key: Key) -> None:
        if self._holding is None:
            self._loose.add(key)
            self._unheld.add(key)
        elif key not in self._holding:
            self._holding.add(key)
            self._holds[key] += 1
