"""Pauses before retries: full jitter under an exponential bound."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.runs.retry import LONGEST_S, bound_s, pause_s
from taskgate.runs.task import Target

targets = st.builds(Target, backoff_s=st.floats(0, 86_400), backoff_max_s=st.floats(0, 86_400))
anything = st.one_of(st.none(), st.floats())


@pytest.mark.parametrize(
    ("tries", "expected"), [(1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (10, 300.0), (10_000, 300.0)]
)
def test_the_bound_doubles_up_to_the_longest(tries: int, expected: float) -> None:
    assert bound_s(Target(), tries) == expected


@given(targets, st.integers(-3, 10_000))
def test_the_bound_never_shrinks_and_never_passes_the_longest(target: Target, tries: int) -> None:
    assert 0 <= bound_s(target, tries) <= bound_s(target, tries + 1) <= target.backoff_max_s


@given(targets, st.integers(1, 1000), anything, st.floats(0, 4e9), st.integers())
def test_a_pause_is_a_pause_whatever_the_task_asks(
    target: Target, tries: int, retry_at: float | None, now: float, seed: int
) -> None:
    pause = pause_s(target, tries, retry_at=retry_at, now=now, rng=Random(seed))
    assert 0.0 <= pause <= (bound_s(target, tries) if retry_at is None else LONGEST_S)


def test_jitter_is_full() -> None:
    """Runs that failed together must not come back together: the whole range is used, evenly."""
    rng = Random(7)
    pauses = sorted(pause_s(Target(), 5, retry_at=None, now=0.0, rng=rng) for _ in range(4000))
    assert pauses[0] < 0.1
    assert pauses[-1] > 15.9
    for quarter in (1, 2, 3):
        assert abs(pauses[quarter * 1000] - quarter * 4.0) < 0.5


@given(st.floats(0, 4e9), st.floats(0, 1e6))
def test_the_task_says_when(now: float, after_s: float) -> None:
    retry_at = now + after_s
    assert pause_s(Target(), 1, retry_at=retry_at, now=now, rng=Random(0)) == retry_at - now
