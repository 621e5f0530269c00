"""Paths are land between sites and shared ground within one; the tree agrees with a pairwise comparison."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgate.routes.holdings import Holdings
from taskgate.routes.paths import is_wide, joined, normalised
from taskgate.routes.service import Route, Service
from taskgate.routes.table import is_rest


def service(name: str, *routes: str, site: str = "a", prefix: str = "") -> Service:
    """Each route is `METHOD /path`."""
    made = tuple(
        Route(name=f"r{n}", method=text.split(" ")[0], path=text.split(" ")[1]) for n, text in enumerate(routes)
    )
    return Service(name=name, base_url="http://x", site_id=site, prefix=prefix, routes=made)


def overlap(one: list[str], other: list[str]) -> bool:
    """Whether some path fits both, segment by segment."""
    if one and other and (is_rest(one[0]) or is_rest(other[0])):
        return True
    if not one or not other:
        return one == other
    first, second = one[0], other[0]
    fits = first == second or (("{" in first or "{" in second) and "" not in (first, second))
    return fits and overlap(one[1:], other[1:])


def clashes(newcomer: Service, others: list[Service]) -> bool:
    """The rule, pair by pair."""
    for other in others:
        if other.name == newcomer.name:
            continue
        for mine in newcomer.routes:
            for theirs in other.routes:
                methods = {mine.method, theirs.method}
                same = len(methods) == 1 or "*" in methods or methods == {"GET", "HEAD"}
                if same and normalised(mine.path) == normalised(theirs.path):
                    return True
        if other.site_id != newcomer.site_id:
            for here in land(newcomer):
                for there in land(other):
                    if overlap(here.split("/")[1:], there.split("/")[1:]):
                        return True
    return False


def land(one: Service) -> list[str]:
    paths = [route.path for route in one.routes]
    if one.prefix:
        paths += [one.prefix, joined(one.prefix, "/{r:path}")]
    return [path for path in paths if not is_wide(path)]


PATHS = st.builds(
    lambda parts, end: "/" + "/".join([*parts, *end]),
    st.lists(st.sampled_from(["a", "b", "{x}"]), min_size=1, max_size=3),
    st.sampled_from([[], [], [""], ["{r:path}"]]),
)
ROUTES = st.tuples(st.sampled_from(["GET", "POST", "HEAD", "*"]), PATHS).map(" ".join)
SERVICES = st.builds(
    lambda name, routes, site, prefix: service(name, *routes, site=site, prefix=prefix),
    st.sampled_from("uvwxyz"),
    st.lists(ROUTES, max_size=3, unique_by=normalised),
    st.sampled_from("ab"),
    st.sampled_from(["", "", "/a", "/b/a"]),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(SERVICES, st.booleans()), max_size=10))
def test_the_tree_agrees_with_a_comparison_of_pairs(history: list[tuple[Service, bool]]) -> None:
    """Through additions, replacements and removals."""
    holdings = Holdings()
    standing: dict[str, Service] = {}
    for newcomer, is_removed in history:
        others = list(standing.values())
        assert (holdings.clash(newcomer) is not None) == clashes(newcomer, others)
        if newcomer.name in standing and (is_removed or not clashes(newcomer, others)):
            holdings.remove(standing.pop(newcomer.name))
        if not clashes(newcomer, others) and newcomer.name not in standing:
            holdings.add(newcomer)
            standing[newcomer.name] = newcomer
    for one in standing.values():
        holdings.remove(one)
    assert holdings.clash(service("n", "* /a", "* /{x}/b", site="z", prefix="/a")) is None
    assert holdings._root.below == {}


@pytest.mark.parametrize(
    ("route", "site", "is_free"),
    [
        ("GET /v1/ai/math", "a", False),
        ("GET /v1/ai/{other}", "a", False),
        ("HEAD /v1/ai/math", "a", False),
        ("* /v1/ai/math", "a", False),
        ("POST /v1/ai/math", "a", True),
        ("GET /v1/ai/math/more", "a", True),
        ("GET /v1/ai/{x}/{y}", "a", True),
        ("POST /v1/ai/math", "b", False),
        ("GET /v1/ai/more", "b", False),
        ("GET /v1/{x:path}", "b", True),
        ("GET /v1/speech", "b", True),
        ("GET /v1/ai", "b", True),
        ("GET /v1/ai/", "b", True),
    ],
)
def test_neighbours_and_strangers(route: str, site: str, *, is_free: bool) -> None:
    """S35: nobody takes calls away from another site, however specific; `/v1/{x:path}` takes what is left."""
    holdings = Holdings()
    holdings.add(service("first", "GET /v1/ai/math", "GET /v1/ai/{name}"))
    clash = holdings.clash(service("second", route, site=site))
    assert (clash is None) is is_free
    if clash is not None:
        assert clash.holder.name == "first"
        assert clash.route is not None


def test_a_prefix_is_land() -> None:
    holdings = Holdings()
    holdings.add(service("first", "GET /team/a", prefix="/team"))
    assert holdings.clash(service("n", "GET /team", site="b")) is not None
    assert holdings.clash(service("n", "GET /team/x/y", site="b")) is not None
    assert holdings.clash(service("n", "GET /teams", site="b")) is None
    clash = holdings.clash(service("n", prefix="/team/sub", site="b"))
    assert clash is not None
    assert clash.route is None
    assert holdings.clash(service("n", "GET /team/x", prefix="/team")) is None
    assert holdings.clash(service("first", "GET /team/a", "GET /team/b", prefix="/team")) is None
