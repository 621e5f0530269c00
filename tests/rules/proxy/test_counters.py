"""What routes counted, told from one process to another: nothing twice, nothing lost, whoever begins anew."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from taskgate.proxy.counters import Gathered, Growth, RouteCounters, RouteGrowth

Call = tuple[int, int, float]


def counters(path: str = "/a") -> RouteCounters:
    return RouteCounters(service="s", method="GET", path=path)


def count(route: RouteCounters, status: int = 200, seconds: float = 0.002) -> None:
    route.requests += 1
    route.active += 1
    route.bytes_out += 7
    route.ended(status, seconds)


def test_what_stands_still_is_not_told() -> None:
    route, growth = counters(), Growth()
    assert growth.since([route]) == []
    count(route)
    assert len(growth.since([route])) == 1
    assert growth.since([route]) == []


def test_a_route_that_began_anew_is_counted_on() -> None:
    """A withdrawn service that comes back has fresh numbers; what it counted before stays counted."""
    first, growth, gathered = counters(), Growth(), Gathered()
    count(first)
    gathered.add(growth.since([first]))
    second = counters()
    count(second)
    gathered.add(growth.since([second]))
    (total,) = gathered.standing()
    assert (total.requests, total.classes[2]) == (2, 2)


@given(st.lists(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0, 200, 404, 503]), st.floats(0, 100)))))
def test_all_that_was_told_adds_up(rounds: list[list[Call]]) -> None:
    routes, growth, gathered = [counters("/a"), counters("/b")], Growth(), Gathered()
    for calls in rounds:
        for number, status, seconds in calls:
            count(routes[number], status, seconds)
        packed = msgspec.msgpack.encode(growth.since(routes))
        gathered.add(msgspec.msgpack.decode(packed, type=list[RouteGrowth]))
    for route in routes:
        found = gathered.routes.get(("s", "GET", route.path), counters())
        assert (found.requests, found.bytes_out, found.classes, found.seconds) == (
            route.requests, route.bytes_out, route.classes, route.seconds,
        )  # fmt: skip
        assert abs(found.seconds_sum - route.seconds_sum) < 1e-6
