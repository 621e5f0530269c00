"""What a front is told of a change: enough to have the gateway's routes, and no more than changed."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from taskgate.fronts import messages as m
from taskgate.routes.service import Route, Service, Snapshot

NAMES = st.sampled_from("abcd")
SERVICES = st.builds(
    lambda name, count: Service(
        name=name,
        base_url="http://a",
        document=b"{}",
        routes=tuple(
            Route(name=f"r{one}", method="GET", path=f"/{name}/{one}", description="d") for one in range(count)
        ),
    ),
    NAMES,
    st.integers(0, 3),
)
SNAPSHOTS = st.builds(
    lambda services, away, number: Snapshot(services=tuple(services), away=away, stale=away, number=number),
    st.lists(SERVICES, unique_by=lambda service: service.name),
    st.frozensets(NAMES),
    st.integers(0, 9),
)


def travelled(news: m.RoutesNow) -> m.RoutesNow:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(news), type=m.RoutesNow)


@given(st.lists(SNAPSHOTS, min_size=1, max_size=5))
def test_a_front_that_follows_has_what_the_gateway_has(published: list[Snapshot]) -> None:
    known = m.lean(published[0])
    for before, after in pairwise(published):
        known = m.followed(known, travelled(m.difference(before, after)))
        assert known == m.lean(after)


@given(SNAPSHOTS, SERVICES)
def test_only_what_changed_travels_and_what_did_not_is_the_same_object(snapshot: Snapshot, changed: Service) -> None:
    others = tuple(service for service in snapshot.services if service.name != changed.name)
    after = msgspec.structs.replace(snapshot, services=(*others, changed))
    news = m.difference(snapshot, after)
    assert [service.name for service in news.fresh] == [changed.name]
    assert not any(service.document or any(route.description for route in service.routes) for service in news.fresh)
    known = m.lean(snapshot)
    kept = {service.name: service for service in known.services}
    assert all(service is kept[service.name] for service in m.followed(known, news).services[:-1])
