"""A change costs what changed: lanes that stay are the same lanes, and what no lane needs is let go."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from taskgate.errors import InvalidInput
from taskgate.limits.breaker import Breaker
from taskgate.proxy.counters import RouteCounters
from taskgate.proxy.plane import Plane
from taskgate.proxy.pool import Pool
from taskgate.routes.policy import Alternative, Fallback, Policy
from taskgate.routes.service import Route, Service, Snapshot
from tests.edge.proxy.stand import everything, request, standing

ROUTES = 200


def service(number: int, *, routes: int = ROUTES, port: int = 9000, policy: Policy = Policy()) -> Service:  # noqa: B008
    return Service(
        name=f"svc{number}",
        base_url=f"http://127.0.0.1:{port + number}",
        prefix=f"/svc{number}",
        routes=tuple(
            Route(name=f"r{one}", method="GET", path=f"/svc{number}/{'{x}' if one % 2 else 'at'}/{one}")
            for one in range(routes)
        ),
        policy=policy,
    )


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with standing() as stand:
        yield stand.plane


def made_by(plane: Plane, *services: Service, away: frozenset[str] = frozenset()) -> int:
    """How many lanes this change compiles."""
    before = plane._compiler.compiled_count
    plane.apply(Snapshot(services=services, away=away))
    return plane._compiler.compiled_count - before


async def test_one_more_registration_compiles_its_own_routes_alone(plane: Plane) -> None:
    fifty = [service(number) for number in range(50)]
    assert made_by(plane, *fifty) == 50 * ROUTES
    lane = plane._table.at("GET", "/svc7/{x}/1")
    assert made_by(plane, *fifty, service(50)) == ROUTES
    assert plane._table.at("GET", "/svc7/{x}/1") is lane
    assert plane._table.find("GET", "/svc50/abc/3") is not None
    assert len(plane._table) == 51 * ROUTES
    assert made_by(plane, *fifty) == 0, "a withdrawal compiles nothing"
    assert plane._table.find("GET", "/svc50/abc/3") is None
    again = [msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Service) for one in fifty]
    assert made_by(plane, *again) == 0, "what is equal is the same"
    assert made_by(plane, *fifty, away=frozenset({"svc3"})) == ROUTES
    assert made_by(plane, *fifty) == ROUTES


async def test_who_falls_back_to_a_service_is_compiled_again_when_that_changes(plane: Plane) -> None:
    leaning = service(0, routes=4, policy=Policy(fallback=Fallback(to=(Alternative(service="svc1"),))))
    other = service(1, routes=3)

    def legs() -> int:
        found = plane._table.find("GET", "/svc0/at/0")
        return len(found[0].legs) if found is not None else 0

    assert (made_by(plane, leaning), legs()) == (4, 1)
    assert (made_by(plane, leaning, other), legs()) == (7, 2)
    assert (made_by(plane, leaning, msgspec.structs.replace(other, routes=other.routes[:1])), legs()) == (1, 2)
    assert (made_by(plane, leaning, other, away=frozenset({"svc1"})), legs()) == (7, 1)
    assert (made_by(plane, leaning, msgspec.structs.replace(other, site_id="far")), legs()) == (3, 1)
    moved = msgspec.structs.replace(other, base_url="http://127.0.0.1:9999")
    assert (made_by(plane, leaning, moved), legs()) == (7, 2)


async def test_of_two_with_one_path_the_first_stays_and_the_second_follows(plane: Plane) -> None:
    """Not what a registry publishes; a table made in steps must still be the one that is made at once."""
    first, second = service(0, routes=2), msgspec.structs.replace(service(0, routes=3), name="twin")

    def owner() -> str:
        found = plane._table.find("GET", "/svc0/at/0")
        return found[0].service.name if found is not None else ""

    for services, name in (((first,), "svc0"), ((first, second), "svc0"), ((second, first), "twin")):
        made_by(plane, *services)
        assert (owner(), len(plane._table)) == (name, max(len(one.routes) for one in services))
    made_by(plane, first)
    assert (owner(), len(plane._table)) == ("svc0", 2)
    made_by(plane, first, second)
    made_by(plane, second)
    assert (owner(), len(plane._table)) == ("twin", 3)


async def test_what_outlives_a_swap_stays_while_a_lane_needs_it_and_no_longer(plane: Plane) -> None:
    one, other = service(0, routes=2), service(1, routes=2, port=8999)
    made_by(plane, one)
    kept = {kind: plane.upstreams.standing(kind) for kind in (Pool, Breaker, RouteCounters)}
    made_by(plane, one, other)
    assert plane.upstreams.standing(Pool) == kept[Pool], "both are at one address"
    made_by(plane, other)
    assert plane.upstreams.standing(Pool) == kept[Pool]
    assert plane.upstreams.standing(Breaker) == kept[Breaker]
    assert not set(map(id, plane.upstreams.standing(RouteCounters))) & set(map(id, kept[RouteCounters]))
    made_by(plane)
    assert [plane.upstreams.standing(kind) for kind in kept] == [[], [], []]


async def test_inv_p3_a_snapshot_that_cannot_be_compiled_changes_nothing() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        standing_before = [stand.plane.upstreams.standing(kind) for kind in (Pool, Breaker, RouteCounters)]
        good = Service(name="svc", base_url=upstream.url, routes=(everything(Policy(max_body_bytes=5)),))
        bad = Service(name="bad", base_url="ftp://nowhere", routes=(Route(name="r", method="GET", path="/bad"),))
        with pytest.raises(InvalidInput):
            stand.plane.apply(Snapshot(services=(good, service(1, routes=2), bad)))
        assert (await stand.get(body=b"longer than five", method="POST")).status == 200
        stand.plane.upstreams.end_swap()
        assert [stand.plane.upstreams.standing(kind) for kind in (Pool, Breaker, RouteCounters)] == standing_before


async def test_a_call_under_way_keeps_its_lane_while_its_service_leaves() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request(method="POST", lines=b"content-length: 3\r\nconnection: close\r\n"))
        await upstream.news.wait()
        stand.plane.apply(Snapshot())
        writer.write(b"abc")
        assert (await reader.read()).endswith(b"abc")
