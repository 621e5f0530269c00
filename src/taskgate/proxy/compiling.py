"""Services compiled into lanes, one part for each; a part is used again as long as everything it was made of stays.

What a part is made of: the service as registered, whether it is away, and of each service that it may fall back to
where that is and whose. All or nothing: when one service cannot be compiled, nothing of the snapshot stands, and what
its new parts held is let go.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from taskgate.limits.breaker import Breaker
from taskgate.limits.budget import RetryBudget
from taskgate.proxy.condition import Condition
from taskgate.proxy.kept import Key
from taskgate.proxy.lane import Lane, Leg, Target
from taskgate.proxy.pool import Pool
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.upstreams import Upstreams
from taskgate.routes.paths import is_reserved
from taskgate.routes.policy import Alternative, BreakerRule, Effective, Policy, effective
from taskgate.routes.service import Route, Service, Snapshot

Others = tuple[tuple[str, str, str], ...]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The lanes of one service by method and path, what it is made of, and what it holds of the upstreams.

    `names` are the services it may fall back to, `others` (name, base URL, site) of those that can be called."""

    service: Service
    is_away: bool
    names: tuple[str, ...]
    others: Others
    entries: tuple[tuple[str, str, Lane], ...]
    breakers: frozenset[Breaker]
    conditions: frozenset[Condition]
    holds: frozenset[Key]


class Compiler:
    """Makes parts. `compiled_count` counts the lanes that were made."""

    def __init__(self, settings: ProxySettings, upstreams: Upstreams, *, credentials: Mapping[str, bytes]) -> None:
        self._ceiling = settings.body_ceiling_bytes
        self._upstreams = upstreams
        self._credentials = credentials
        self._defaults = Effective(max_body_bytes=settings.max_body_bytes)
        self.compiled_count = 0

    def compiled(self, snapshot: Snapshot, before: Mapping[str, Part]) -> dict[str, Part]:
        """A part for every service, in order; those of `before` wherever they still fit."""
        services = {service.name: service for service in snapshot.services}
        parts: dict[str, Part] = {}
        try:
            for name, service in services.items():
                part, is_away = before.get(name), name in snapshot.away
                is_same = part is not None and (part.service is service or part.service == service)
                names = part.names if part is not None and is_same else _names(service)
                others = _others(service, names, services=services, away=snapshot.away)
                if part is None or not is_same or part.is_away is not is_away or part.others != others:
                    part = self._part(service, is_away=is_away, names=names, others=others)
                parts[name] = part
        except BaseException:
            for name, part in parts.items():
                if before.get(name) is not part:
                    self._upstreams.kept.let_go(part.holds)
            raise
        return parts

    def _part(self, service: Service, *, is_away: bool, names: tuple[str, ...], others: Others) -> Part:
        sheet = _Sheet(service, self._upstreams, others={name: (url, site_id) for name, url, site_id in others})
        with self._upstreams.kept.holding() as holds:
            entries = tuple(
                (route.method, route.path, self._lane(sheet, route, is_away=is_away))
                for route in service.routes
                if not is_reserved(route.path)
            )
        self.compiled_count += len(entries)
        return Part(
            service=service,
            is_away=is_away,
            names=names,
            others=others,
            entries=entries,
            breakers=frozenset(breaker for _, _, lane in entries if (breaker := lane.legs[0].breaker) is not None),
            conditions=frozenset(pool.condition for _, _, lane in entries if (pool := lane.legs[0].pool) is not None),
            holds=frozenset(holds),
        )

    def _lane(self, sheet: _Sheet, route: Route, *, is_away: bool) -> Lane:
        service = sheet.service
        policy = sheet.policies.get(route.policy)
        if policy is None:
            policy = sheet.policies[route.policy] = self._policy(route.policy, service.policy)
        first = Leg(task=route.task) if route.task else sheet.leg(route, policy)
        further = [
            leg for one in policy.fallback.to if (leg := sheet.further(route, policy, alternative=one)) is not None
        ]
        return Lane(
            service,
            route,
            policy=policy,
            legs=(first, *further),
            limits=self._upstreams.limits(service, route, rules=policy.rate_limits),
            counters=self._upstreams.counters(service, route),
            credential=self._credential(policy),
            is_away=is_away and not route.task,
        )

    def _policy(self, own: Policy, service: Policy) -> Effective:
        policy = effective(own, service, defaults=self._defaults)
        if policy.max_body_bytes > self._ceiling:
            policy = msgspec.structs.replace(policy, max_body_bytes=self._ceiling)
        return policy

    def _credential(self, policy: Effective) -> bytes | None:
        if policy.credential == "caller":
            return None
        kind, _, name = policy.credential.partition(":")
        return self._credentials.get(name, b"") if kind == "set" else b""


class _Sheet:
    """What the lanes of one service have in common while they are made."""

    def __init__(self, service: Service, upstreams: Upstreams, *, others: Mapping[str, tuple[str, str]]) -> None:
        self.service = service
        self.policies: dict[Policy, Effective] = {}
        self._places: dict[tuple[str, str, BreakerRule, float], tuple[Pool, Breaker | None, RetryBudget]] = {}
        self._upstreams = upstreams
        self._others = others

    def leg(self, route: Route, policy: Effective, *, base_url: str = "", site_id: str = "", name: str = "") -> Leg:
        """A leg to an upstream: its own, or that base URL, of the service of that site and name."""
        base_url, site_id = base_url or self.service.base_url, site_id or self.service.site_id
        key = (base_url, site_id, policy.breaker, policy.retry.budget)
        if (place := self._places.get(key)) is None:
            place = self._places[key] = (
                self._upstreams.pool(base_url, site_id=site_id),
                self._upstreams.breaker(base_url, policy.breaker, site_id=site_id),
                self._upstreams.budget(base_url, policy.retry.budget, site_id=site_id),
            )
        upstream_path = route.upstream_path or route.path.removeprefix(self.service.prefix) or "/"
        target = Target(route.path, upstream_path, base_url=base_url)
        audience = (site_id, name or self.service.name)
        return Leg(pool=place[0], target=target, breaker=place[1], budget=place[2], audience=audience)

    def further(self, route: Route, policy: Effective, *, alternative: Alternative) -> Leg | None:
        """An alternative as a leg; None for a service that is not there, or not this site's to call."""
        if alternative.task:
            return Leg(task=alternative.task)
        if alternative.upstream:
            return self.leg(route, policy, base_url=alternative.upstream)
        base_url, site_id = self._others.get(alternative.service, ("", ""))
        name = alternative.service
        return self.leg(route, policy, base_url=base_url, site_id=site_id, name=name) if base_url else None


def _names(service: Service) -> tuple[str, ...]:
    policies = (service.policy, *(route.policy for route in service.routes))
    return tuple(
        sorted({one.service for policy in policies if policy.fallback for one in policy.fallback.to if one.service})
    )


def _others(
    service: Service, names: tuple[str, ...], *, services: Mapping[str, Service], away: frozenset[str]
) -> Others:
    known = [(name, services[name]) for name in names if name in services and name not in away]
    return tuple((name, other.base_url, other.site_id) for name, other in known if other.serves(service.site_id))
