"""A lane: one route compiled, so that a call has nothing left to look up. Values only, made anew for every snapshot.

A lane has legs in the order in which they are tried: its own upstream (or task), then its fallback's. What outlives a
snapshot (pools, breakers, budgets, counters) is only referred to.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from taskgate.identity.principal import Principal
from taskgate.limits.breaker import Breaker
from taskgate.limits.budget import RetryBudget
from taskgate.proxy.admission import RouteLimits
from taskgate.proxy.counters import RouteCounters
from taskgate.proxy.pool import Pool
from taskgate.proxy.ports import Head
from taskgate.proxy.vouching import Audience
from taskgate.reach.addresses import read_base_url
from taskgate.routes.policy import Effective
from taskgate.routes.service import Route, Service

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
_VARIABLE = re.compile(r"\{([^{}:]+)(?::path)?\}")
_SEGMENT = "!$&'()*+,=:@-._~"


class Target:
    """Writes the request target of an upstream from the caller's: as it is, a constant, or filled in. What it takes of
    the caller's path it takes raw, never decoded and encoded again (S14)."""

    __slots__ = ("_before", "_parts", "_rest_from")

    def __init__(self, public: str, upstream: str, *, base_url: str = "") -> None:
        self._before = quote(read_base_url(base_url).target, safe=_SEGMENT + "/%").encode("ascii") if base_url else b""
        self._parts: list[tuple[bytes, int]] | None = None
        self._rest_from = 0
        if upstream and upstream != public:
            self._parts = parts = _parts(public, upstream)
            if len(parts) == 2 and parts[0][1] < 0 and not parts[1][0]:
                # a literal and then the rest of the path: one cut does it
                self._before += parts[0][0]
                self._rest_from = -parts[0][1]

    def write(self, head: Head) -> bytes:
        """The target, with the caller's query."""
        target = head.target
        if self._rest_from:
            return self._before + target.split(b"/", self._rest_from)[self._rest_from]
        if self._parts is None:
            return self._before + target
        raw, mark, query = target.partition(b"?")
        segments = raw.split(b"/")
        path = [self._before]
        for literal, place in self._parts:
            path += (literal, segments[place] if place > 0 else b"/".join(segments[-place:]) if place else b"")
        return b"".join((*path, mark, query))


def _parts(public: str, upstream: str) -> list[tuple[bytes, int]]:
    """(literal, place of the segment behind it in the caller's path) of an upstream's template; a place below zero is
    everything from there on, 0 is nothing. A decoded path has the segments of the raw one: no slash is encoded."""
    places = {}
    for place, segment in enumerate(public.split("/")):
        if (found := _VARIABLE.fullmatch(segment)) is not None:
            places[found[1]] = -place if segment.endswith(":path}") else place
    pieces = _VARIABLE.split(upstream)
    parts = []
    for number in range(0, len(pieces), 2):
        place = places[pieces[number + 1]] if number + 1 < len(pieces) else 0
        parts.append((quote(pieces[number], safe=_SEGMENT + "/%").encode("ascii"), place))
    return parts


class Leg:
    """One place where a call may go: an upstream, or a task. `audience`: whose upstream it is, for the signature."""

    __slots__ = ("audience", "breaker", "budget", "label", "middle", "pool", "target", "task")

    def __init__(
        self,
        *,
        pool: Pool | None = None,
        target: Target | None = None,
        breaker: Breaker | None = None,
        budget: RetryBudget | None = None,
        task: str = "",
        audience: Audience = ("", ""),
    ) -> None:
        self.pool = pool
        self.target = target
        self.breaker = breaker
        self.budget = budget
        self.task = task
        self.audience = audience
        self.label = task if pool is None else f"{pool.origin.scheme}://{pool.origin.authority}"
        self.middle = b"" if pool is None else b" HTTP/1.1\r\nhost: %b\r\n" % pool.origin.authority.encode("ascii")


class Lane:
    """One route, ready. `is_away`: its service's lease has lapsed, so its own upstream is not asked. `credential` are
    lines for the upstream, None to pass the caller's own. `allow` is not empty for a path that is known without a
    method: those it has."""

    __slots__ = ("allow", "counters", "credential", "has_fallback", "is_away", "legs", "limits", "policy", "prefix",
                 "route", "service")  # fmt: skip

    def __init__(
        self,
        service: Service,
        route: Route,
        *,
        policy: Effective,
        legs: tuple[Leg, ...],
        limits: RouteLimits,
        counters: RouteCounters,
        credential: bytes | None = b"",
        is_away: bool = False,
        allow: str = "",
    ) -> None:
        self.service = service
        self.route = route
        self.policy = policy
        self.legs = legs
        self.limits = limits
        self.counters = counters
        self.credential = credential
        self.is_away = is_away
        self.allow = allow
        self.has_fallback = len(legs) > 1
        self.prefix = b""
        if service.prefix and route.upstream_path and not route.upstream_path.startswith(service.prefix):
            self.prefix = b"x-forwarded-prefix: %b\r\n" % quote(service.prefix).encode("ascii")

    def serves(self, principal: Principal) -> bool:
        """Whether this caller may know of the route."""
        return self.service.shared or self.service.site_id == principal.site_id

    def for_methods(self, allow: str) -> Lane:
        """The lane of the same route for a method that it does not have."""
        return Lane(
            self.service,
            self.route,
            policy=self.policy,
            legs=self.legs,
            limits=self.limits,
            counters=self.counters,
            allow=allow,
        )
