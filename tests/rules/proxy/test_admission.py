"""Rate limits of a route: no window sees too much (INV-R1), all or nothing, and headers that tell the truth."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from taskgate.identity.principal import Principal
from taskgate.proxy.admission import UNLIMITED, Grant, RouteLimits
from taskgate.routes.policy import RateLimit

LINES = re.compile(
    rb'ratelimit-policy: "([a-z0-9-]+)";q=(\d+);w=(\d+)\r\nratelimit: "([a-z0-9-]+)";r=(\d+);t=(\d+)\r\n'
)
CALLERS = [Principal(id=f"k{n}", name="x", site_id=site) for n, site in enumerate(["acme", "acme", "globex"])]
pauses = st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 30))
limits = st.builds(
    RateLimit,
    rate=st.floats(0.05, 50),
    burst=st.floats(1, 30),
    per=st.sampled_from(["principal", "tenant", "route"]),
)


def told(grant: Grant) -> tuple[str, int, int, int, int]:
    """(name, q, w, r, t) of a grant's headers."""
    match = LINES.fullmatch(grant.headers)
    assert match is not None
    assert match[1] == match[4]
    q, w, r, t = (int(match[place]) for place in (2, 3, 5, 6))
    return match[1].decode(), q, w, r, t


def keys_of(limit: RateLimit, caller: Principal) -> str:
    return {"principal": caller.id, "tenant": caller.site_id, "route": ""}[limit.per]


@given(rules=st.lists(limits, min_size=1, max_size=3), asks=st.lists(st.tuples(pauses, st.integers(0, 2)), max_size=60))
def test_no_window_of_any_limit_admits_too_much(rules: list[RateLimit], asks: list[tuple[float, int]]) -> None:
    """INV-R1, for every limit, key and window; a refusal takes nothing; the wait is enough and is a whole number."""
    route, now = RouteLimits(rules), 1000.0
    admitted: dict[tuple[int, str], list[float]] = {}
    for pause, number in asks:
        now += pause
        caller = CALLERS[number]
        grant = route.admit(caller, now)
        _, q, w, left, seconds = told(grant)
        assert seconds >= 0
        assert w >= 1
        assert left <= q
        if grant.wait_s:
            assert (left, grant.wait_s) == (0, seconds)
            assert grant.wait_s >= 1
            continue
        for place, rule in enumerate(rules):
            key = (place, keys_of(rule, caller))
            times = admitted.setdefault(key, [])
            times.append(now)
            for first, begun in enumerate(times):
                assert len(times) - first <= rule.burst + rule.rate * (now - begun) + 1e-6 * (1 + rule.rate)


@given(rules=st.lists(limits, min_size=2, max_size=3), count=st.integers(1, 40), caller=st.integers(0, 2))
def test_all_buckets_or_none(rules: list[RateLimit], count: int, caller: int) -> None:
    """Together they admit exactly as many at once as the tightest alone."""
    together = RouteLimits(rules)
    passed = sum(together.admit(CALLERS[caller], 5.0).wait_s == 0 for _ in range(count))
    assert passed == min(count, *(int(rule.burst + 1e-6) for rule in rules))
    while (refused := together.admit(CALLERS[caller], 5.0)).wait_s == 0:
        passed += 1
    assert passed == min(int(rule.burst + 1e-6) for rule in rules)
    assert together.admit(CALLERS[caller], 5.0 + refused.wait_s).wait_s == 0


def test_without_limits_nothing_is_said() -> None:
    assert RouteLimits(()).admit(CALLERS[0], 1.0) is UNLIMITED
    assert Grant() == UNLIMITED


def test_what_the_answer_says() -> None:
    route = RouteLimits([RateLimit(rate=0.5, burst=3)])
    assert [told(route.admit(CALLERS[0], 10.0)) for _ in range(4)] == [
        ("principal", 3, 6, 2, 2),
        ("principal", 3, 6, 1, 4),
        ("principal", 3, 6, 0, 6),
        ("principal", 3, 6, 0, 2),
    ]
    assert route.admit(CALLERS[0], 10.0).wait_s == 2
    assert route.admit(CALLERS[1], 10.0).wait_s == 0
    assert told(route.admit(CALLERS[0], 12.0)) == ("principal", 3, 6, 0, 6)


def test_the_limit_with_least_left_is_named() -> None:
    route = RouteLimits([RateLimit(rate=1, burst=100), RateLimit(rate=1, burst=2, per="tenant"),
                         RateLimit(rate=10, burst=50, per="tenant")])  # fmt: skip
    assert told(route.admit(CALLERS[0], 0.0))[0] == "tenant"
    assert told(route.admit(CALLERS[1], 0.0)) == ("tenant", 2, 2, 0, 2)
    refused = route.admit(CALLERS[0], 0.0)
    assert (told(refused), refused.wait_s) == (("tenant", 2, 2, 0, 1), 1)
    assert told(route.admit(CALLERS[2], 0.0))[0] == "tenant"
    twins = RouteLimits([RateLimit(rate=1, burst=9, per="route"), RateLimit(rate=1, burst=2, per="route")])
    assert told(twins.admit(CALLERS[0], 0.0))[0] == "route-2"


def test_a_share_of_a_limit() -> None:
    """Each of two processes gives out half; a burst is never less than one call."""
    half = RouteLimits([RateLimit(rate=10, burst=20)], share=0.5)
    assert sum(half.admit(CALLERS[0], 0.0).wait_s == 0 for _ in range(30)) == 10
    small = RouteLimits([RateLimit(rate=0.1, burst=1)], share=0.25)
    assert [small.admit(CALLERS[0], 0.0).wait_s for _ in range(2)] == [0, 40]
