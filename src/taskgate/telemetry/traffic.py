"""The numbers of proxied routes, from however many processes, as samples.

What a route counted is somebody else's plain object; only its members are known here. Beyond the busiest routes the
rest is one row, so that a service with ten thousand routes does not make a scrape of a hundred thousand lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from taskgate.histogram import Histogram
from taskgate.telemetry.exposition import Sample
from taskgate.telemetry.numbers import OTHER

CLASSES = ("cut", "1xx", "2xx", "3xx", "4xx", "5xx")
PLAIN = ("requests", "refused", "limited", "failed", "retries", "fallbacks")
BREAKERS = {"closed": 0.0, "half_open": 0.5, "open": 1.0}
Key = tuple[str, str, str]


class RouteNumbers(Protocol):
    """What a data plane counts of one route."""

    service: str
    method: str
    path: str
    active: int
    requests: int
    bytes_in: int
    bytes_out: int
    classes: list[int]
    seconds: list[int]
    seconds_sum: float


class Traffic:
    """Where routes are counted: this process's plane, and what fronts told. `bounds_s` are the steps of durations."""

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self._bounds_s = bounds_s
        self._routes: list[Callable[[], Iterable[RouteNumbers]]] = []
        self.breakers: Callable[[], Mapping[str, str]] = dict
        self._usages: list[Callable[[], Mapping[str, int]]] = []

    def join(self, routes: Callable[[], Iterable[RouteNumbers]], *, usage: Callable[[], Mapping[str, int]]) -> None:
        """Count these in: a data plane, or those of other processes."""
        self._routes.append(routes)
        self._usages.append(usage)

    def samples(self, *, limit: int) -> Iterator[Sample]:
        """One row a route."""
        sums: dict[Key, _Sum] = {}
        for source in self._routes:
            for route in source():
                key = (route.service, route.method, route.path)
                if key not in sums:
                    sums[key] = _Sum(self._bounds_s)
                sums[key].add(route)
        ranked = sorted(sums.items(), key=lambda row: (-row[1].plain["requests"], row[0]))
        rows = ranked[:limit]
        if ranked[limit:]:
            rest = _Sum(self._bounds_s)
            for _, one in ranked[limit:]:
                rest.merge(one)
            rows.append(((OTHER, OTHER, OTHER), rest))
        for key, total in rows:
            yield from total.samples(key)
        for service, state in sorted(self.breakers().items())[:limit]:
            yield "taskgate_service_breaker_open", (service,), BREAKERS.get(state, 0.0)
        yield from self._use()

    def _use(self) -> Iterator[Sample]:
        pools: Counter[str] = Counter()
        for usage in self._usages:
            pools.update(usage())
        for state in ("idle", "used"):
            yield "taskgate_upstream_connections", (state,), pools[state]
        yield "taskgate_upstream_waiting", (), pools["waiting"]
        yield "taskgate_tunnels", (), pools["tunnels"]


class _Sum:
    """The numbers of one route from all processes."""

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.plain = dict.fromkeys((*PLAIN, "active", "bytes_in", "bytes_out"), 0)
        self.classes = [0] * len(CLASSES)
        self.seconds = Histogram(bounds_s)

    def add(self, route: Any) -> None:
        for name in self.plain:
            self.plain[name] += getattr(route, name)
        self.classes = [a + b for a, b in zip(self.classes, route.classes, strict=True)]
        self.seconds.counts = [a + b for a, b in zip(self.seconds.counts, route.seconds, strict=True)]
        self.seconds.total_s += route.seconds_sum

    def merge(self, other: _Sum) -> None:
        for name in self.plain:
            self.plain[name] += other.plain[name]
        self.classes = [a + b for a, b in zip(self.classes, other.classes, strict=True)]
        self.seconds.counts = [a + b for a, b in zip(self.seconds.counts, other.seconds.counts, strict=True)]
        self.seconds.total_s += other.seconds.total_s

    def samples(self, key: Key) -> Iterator[Sample]:
        for name in PLAIN:
            yield f"taskgate_route_{name}", key, self.plain[name]
        yield "taskgate_route_active", key, self.plain["active"]
        yield "taskgate_route_bytes", (*key, "in"), self.plain["bytes_in"]
        yield "taskgate_route_bytes", (*key, "out"), self.plain["bytes_out"]
        for name, count in zip(CLASSES, self.classes, strict=True):
            if count:
                yield "taskgate_route_answers", (*key, name), count
        yield "taskgate_route_seconds", key, self.seconds
