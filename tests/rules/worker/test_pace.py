"""How much work is taken ahead."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from taskgate.worker.pace import MOST, Pace


def test_nothing_is_taken_ahead_before_anything_is_known_or_while_runs_are_long() -> None:
    pace = Pace()
    assert pace.expected_s("a") == math.inf
    assert pace.ahead_count(4) == 0
    pace.note("a", 2.0)
    assert pace.expected_s("a") == 2.0
    assert pace.ahead_count(4) == 0


def test_short_runs_are_taken_ahead_for_fifty_milliseconds() -> None:
    pace = Pace()
    pace.note("a", 0.01)
    assert pace.ahead_count(2) == 10
    pace.note("a", 0.00001)
    for _ in range(100):
        pace.note("a", 0.00001)
    assert pace.ahead_count(2) == MOST - 2


def test_a_long_run_soon_ends_it() -> None:
    pace = Pace()
    for _ in range(50):
        pace.note("a", 0.001)
    pace.note("a", 1.0)
    assert pace.ahead_count(8) == 0


def test_tasks_are_told_apart() -> None:
    pace = Pace()
    pace.note("short", 0.001)
    pace.note("long", 10.0)
    assert pace.expected_s("short") == 0.001
    assert pace.expected_s("long") == 10.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(0, 2000))
def test_whatever_was_measured_the_count_is_bounded(spent: list[float], slots: int) -> None:
    pace = Pace()
    for spent_s in spent:
        pace.note("a", spent_s)
    assert 0 <= pace.ahead_count(slots) <= max(0, MOST - slots)
    assert min(spent) * 0.999 <= pace.expected_s("a") <= max(spent) * 1.001
