"""Leases lapse one by one; when many lapse at once the last good set stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.routes.leases import ASK_AHEAD_S, LEAST, Lease, Verdict, forgotten, judge, to_ask

NOBODY = Verdict(away=frozenset(), kept=frozenset())


def leases(**until: float) -> dict[str, Lease]:
    return {name: Lease(until=at, lease_s=30.0) for name, at in until.items()}


def look(found: dict[str, Lease], now: float, before: Verdict = NOBODY) -> Verdict:
    return judge(found, before, now=now, keep_above=0.3)


def test_a_lease_lapses_at_its_moment() -> None:
    found = leases(a=100.0, b=200.0)
    assert look(found, 99.9) == NOBODY
    assert look(found, 100.0).away == {"a"}


@pytest.mark.parametrize(("count", "lapsed", "is_kept"), [(10, 3, False), (10, 4, True), (3, 2, False), (3, 3, True),
                                                         (2, 2, False), (1, 1, False), (9, 3, True)])  # fmt: skip
def test_many_at_once_are_kept(count: int, lapsed: int, *, is_kept: bool) -> None:
    """More than 30 %, and at least three."""
    found = leases(**{f"s{n}": 100.0 if n < lapsed else 500.0 for n in range(count)})
    verdict = look(found, 101.0)
    names = frozenset(f"s{n}" for n in range(lapsed))
    assert (verdict.kept if is_kept else verdict.away) == names
    assert not (verdict.away if is_kept else verdict.kept)


def test_who_went_just_before_comes_back_with_the_others() -> None:
    """A cut that is noticed over some seconds: the first one was away already."""
    found = leases(a=100.0, b=110.0, c=110.0, d=500.0)
    first = look(found, 101.0)
    assert first.away == {"a"}
    assert look(found, 111.0, first).kept == {"a", "b", "c"}


def test_who_was_away_for_long_stays_away_and_does_not_count() -> None:
    found = leases(old=10.0, a=100.0, b=100.0, c=500.0, d=500.0)
    before = Verdict(away=frozenset({"old"}), kept=frozenset())
    assert look(found, 101.0, before).away == {"old", "a", "b"}
    found["c"].until = 100.0
    assert look(found, 101.0, before) == Verdict(away=frozenset({"old"}), kept=frozenset({"a", "b", "c"}))


def test_long_gone_services_do_not_make_the_others_look_few() -> None:
    """Seven are away since yesterday: three of the three that were present are everybody."""
    found = leases(**{f"old{n}": 10.0 for n in range(7)}, a=100.0, b=100.0, c=100.0)
    before = Verdict(away=frozenset(f"old{n}" for n in range(7)), kept=frozenset())
    assert look(found, 101.0, before).kept == {"a", "b", "c"}


def test_the_kept_stay_kept_until_enough_have_renewed() -> None:
    found = leases(**{f"s{n}": 100.0 for n in range(10)})
    verdict = look(found, 101.0)
    verdict = look(found, 5000.0, verdict)
    assert len(verdict.kept) == 10
    for n in range(7):
        found[f"s{n}"].until = 9000.0
    assert look(found, 5001.0, verdict).away == {"s7", "s8", "s9"}


def test_a_late_sweep_judges_as_one_in_time() -> None:
    """A gateway that stood still for an hour must not drop everybody when it wakes."""
    found = leases(**{f"s{n}": 100.0 for n in range(5)})
    assert len(look(found, 4000.0).kept) == 5


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 200), max_size=8),
    st.lists(st.floats(0, 50), min_size=1, max_size=6),
)
def test_every_lapsed_one_is_away_or_kept_and_no_other(until: dict[str, float], steps: list[float]) -> None:
    found = leases(**until)
    verdict, now = NOBODY, 0.0
    for step in steps:
        now += step
        verdict = look(found, now, verdict)
        assert verdict.away | verdict.kept == {name for name, lease in found.items() if lease.until <= now}
        assert not verdict.away & verdict.kept
        assert not verdict.kept or len(verdict.kept) >= LEAST


def test_forgetting() -> None:
    found = leases(a=100.0, b=150.0)
    assert forgotten(found, now=1099.0, forget_after_s=1000.0) == []
    assert forgotten(found, now=1100.0, forget_after_s=1000.0) == ["a"]
    assert forgotten(found, now=1e9, forget_after_s=0.0) == []


@pytest.mark.parametrize(
    ("now", "asked_at", "is_kept_up", "is_due"),
    [
        (100.0 - ASK_AHEAD_S - 0.1, None, False, False),
        (100.0 - ASK_AHEAD_S, None, False, True),
        (100.0 - ASK_AHEAD_S, None, True, False),
        (200.0, None, True, False),
        (200.0, None, False, True),
        (200.0, 191.0, False, False),
        (200.0, 190.0, False, True),
    ],
)
def test_who_never_renewed_is_asked_before_its_lease_lapses_and_then_sometimes(
    now: float, asked_at: float | None, *, is_kept_up: bool, is_due: bool
) -> None:
    lease = Lease(until=100.0, lease_s=30.0, is_kept_up=is_kept_up)
    if asked_at is not None:
        lease.asked_at = asked_at
    assert to_ask({"a": lease}, now=now) == (["a"] if is_due else [])
