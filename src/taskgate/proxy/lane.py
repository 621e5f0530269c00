"""A lane: one route compiled, so that a call has nothing left to look up. Values only, made anew for every snapshot.

A lane has legs in the order in which they are tried: its own upstream (or task), then its fallback's. What outlives a
snapshot (pools, breakers, budgets, counters) is only referred to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from taskgate.identity.principal import Principal
from taskgate.limits.breaker import Breaker
from taskgate.limits.budget import RetryBudget
from taskgate.proxy.admission import RouteLimits
from taskgate.proxy.counters import RouteCounters
from taskgate.proxy.pool import Pool
from taskgate.proxy.ports import Head
from taskgate.reach.addresses import read_base_url
from taskgate.routes.policy import Effective
from taskgate.routes.service import Route, Service

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
_VARIABLE = re.compile(r"\{([^{}:]+)(?::path)?\}")
_SEGMENT = "!$&'()*+,=:@-._~"


class Target:
    """Writes the request target of an upstream from the caller's: as it is, a constant, or filled in."""

    __slots__ = ("_before", "_parts")

    def __init__(self, public: str, upstream: str, *, base_url: str = "") -> None:
        self._before = quote(read_base_url(base_url).target, safe=_SEGMENT + "/%").encode("ascii") if base_url else b""
        self._parts: list[tuple[bytes, int]] | None = None
        if upstream and upstream != public:
            self._parts = _parts(public, upstream)

    def write(self, head: Head, texts: Sequence[str]) -> bytes:
        """The target, with the caller's query."""
        if self._parts is None:
            return self._before + head.target
        path = self._before
        for literal, index in self._parts:
            path += literal
            if index >= 0:
                path += quote(texts[index], safe=_SEGMENT + "/").encode("ascii")
        _, mark, query = head.target.partition(b"?")
        return path + mark + query


def _parts(public: str, upstream: str) -> list[tuple[bytes, int]]:
    """(literal, index of the variable behind it or -1) of an upstream's template."""
    names = _VARIABLE.findall(public)
    pieces = _VARIABLE.split(upstream)
    parts = []
    for place in range(0, len(pieces), 2):
        index = names.index(pieces[place + 1]) if place + 1 < len(pieces) else -1
        parts.append((quote(pieces[place], safe=_SEGMENT + "/%").encode("ascii"), index))
    return parts


class Leg:
    """One place where a call may go: an upstream, or a task."""

    __slots__ = ("breaker", "budget", "label", "middle", "pool", "target", "task")

    def __init__(
        self,
        *,
        pool: Pool | None = None,
        target: Target | None = None,
        breaker: Breaker | None = None,
        budget: RetryBudget | None = None,
        task: str = "",
    ) -> None:
        self.pool = pool
        self.target = target
        self.breaker = breaker
        self.budget = budget
        self.task = task
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
