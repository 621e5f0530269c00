"""Retries are a part of the calls, and ten: over every window of every history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.limits.budget import RetryBudget

asks = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.25, 1.0, 9.0]), st.integers(0, 5), st.integers(0, 30)), max_size=40
)


@given(ratio=st.sampled_from([0.0, 0.1, 0.2, 1.0]), asks=asks)
def test_no_ten_seconds_see_too_many_retries(ratio: float, asks: list[tuple[float, int, int]]) -> None:
    budget, now = RetryBudget(ratio), 100.0
    calls, retries = list[float](), list[float]()
    for pause, call_count, ask_count in asks:
        now += pause
        for _ in range(call_count):
            budget.note(now)
            calls.append(now)
        for _ in range(ask_count):
            live = sum(at // 1.0 >= now // 1.0 - 9 for at in calls)
            spent = sum(at // 1.0 >= now // 1.0 - 9 for at in retries)
            is_granted = budget.take(now)
            assert is_granted is (spent + 1 <= 10 + ratio * live)
            if is_granted:
                retries.append(now)


def test_a_quiet_upstream_is_asked_again_ten_times() -> None:
    budget = RetryBudget(0.0)
    assert [budget.take(5.0) for _ in range(12)].count(True) == 10
    assert not budget.take(14.9)
    assert budget.take(15.0)
