"""What the data plane counts: plain integers, read by telemetry and by whoever asks how a service does.

Counting is adding to a number; nothing here is locked, published or formatted. One set for every route. What one
process counted since it was last asked (`Growth`) is added to another's (`Gathered`): so do the fronts of a gateway.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import msgspec

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class RouteCounters:
    """Numbers of one route since the process began. `classes[n]` are answers with status nxx, `classes[0]` callers
    that left or were cut off; `seconds[i]` are calls that took at most `BOUNDS_S[i]`, the last all longer ones.
    `refused` never went to an upstream, `limited` of them by a rate limit; for `failed` every upstream was tried in
    vain."""

    __slots__ = (
        "active", "bytes_in", "bytes_out", "classes", "failed", "fallbacks", "limited", "method", "path", "refused",
        "requests", "retries", "seconds", "seconds_sum", "service",
    )  # fmt: skip

    def __init__(self, *, service: str, method: str, path: str) -> None:
        self.service = service
        self.method = method
        self.path = path
        self.requests = 0
        self.active = 0
        self.refused = 0
        self.limited = 0
        self.failed = 0
        self.retries = 0
        self.fallbacks = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.classes = [0] * 6
        self.seconds = [0] * (len(BOUNDS_S) + 1)
        self.seconds_sum = 0.0

    def ended(self, status: int, seconds: float) -> None:
        """A call is over: the status its caller was answered, 0 for a cut."""
        self.active -= 1
        self.classes[status // 100] += 1
        self.seconds[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds_sum += seconds


_PLAIN = ("requests", "refused", "limited", "failed", "retries", "fallbacks", "bytes_in", "bytes_out", "seconds_sum")


class RouteGrowth(msgspec.Struct, frozen=True, array_like=True):
    """What was added to one route's numbers: plain ones in the order of `_PLAIN`, classes, seconds."""

    service: str
    method: str
    path: str
    plain: tuple[float, ...]
    classes: tuple[int, ...]
    seconds: tuple[int, ...]


class Growth:
    """What routes counted since the last asking; only those that counted anything."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], tuple[RouteCounters, RouteGrowth]] = {}

    def since(self, standing: Iterable[RouteCounters]) -> list[RouteGrowth]:
        """The growth of these; a route that is new, or began anew, has grown from nothing."""
        grown: list[RouteGrowth] = []
        seen: dict[tuple[str, str, str], tuple[RouteCounters, RouteGrowth]] = {}
        for counters in standing:
            key = (counters.service, counters.method, counters.path)
            now = _read(counters)
            before = self._seen.get(key)
            seen[key] = counters, now
            if before is None or before[0] is not counters:
                if any(now.plain):
                    grown.append(now)
            elif before[1] != now:
                grown.append(_less(now, before[1]))
        self._seen = seen
        return grown


class Gathered:
    """The numbers of other processes, added up."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str, str], RouteCounters] = {}

    def standing(self) -> list[RouteCounters]:
        """The numbers of every route that another process counted anything for."""
        return list(self.routes.values())

    def add(self, grown: Iterable[RouteGrowth]) -> None:
        """Count what another process counted."""
        for one in grown:
            key = (one.service, one.method, one.path)
            counters = self.routes.get(key)
            if counters is None:
                counters = self.routes[key] = RouteCounters(service=one.service, method=one.method, path=one.path)
            for name, value in zip(_PLAIN, one.plain, strict=True):
                setattr(counters, name, getattr(counters, name) + value)
            counters.classes = [a + b for a, b in zip(counters.classes, one.classes, strict=True)]
            counters.seconds = [a + b for a, b in zip(counters.seconds, one.seconds, strict=True)]


def _read(counters: RouteCounters) -> RouteGrowth:
    return RouteGrowth(
        counters.service,
        counters.method,
        counters.path,
        tuple(getattr(counters, name) for name in _PLAIN),
        tuple(counters.classes),
        tuple(counters.seconds),
    )


def _less(now: RouteGrowth, before: RouteGrowth) -> RouteGrowth:
    return msgspec.structs.replace(
        now,
        plain=tuple(a - b for a, b in zip(now.plain, before.plain, strict=True)),
        classes=tuple(a - b for a, b in zip(now.classes, before.classes, strict=True)),
        seconds=tuple(a - b for a, b in zip(now.seconds, before.seconds, strict=True)),
    )
