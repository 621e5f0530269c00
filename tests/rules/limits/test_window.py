"""Two counts over a window, against a list of everything that was counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.limits.window import Tally


@given(steps=st.lists(st.tuples(st.sampled_from([0, 1, 3, 7, 36, 40, 41, 400]), st.booleans()), max_size=60))
def test_it_counts_as_a_list_would(steps: list[tuple[int, bool]]) -> None:
    tally, now, told = Tally(10.0), 5000.0, list[tuple[float, bool]]()
    for quarters, well in steps:
        now += quarters / 4
        if now >= tally.ends:
            tally.roll(now)
        if well:
            tally.good += 1
        else:
            tally.bad += 1
        told.append((now, well))
        recent = [well for at, well in told if at // 1.0 >= now // 1.0 - 9]
        assert tally.sums(now) == (recent.count(True), recent.count(False))


@given(st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_any_time_is_survived_and_none_is_counted_twice(times: list[float]) -> None:
    tally = Tally(1.0)
    for number, now in enumerate(times):
        tally.sums(now)
        tally.good += 1
        good, bad = tally.sums(now)
        assert 1 <= good <= number + 1
        assert bad == 0
    tally.clear()
    assert tally.sums(0.0) == (0, 0)
