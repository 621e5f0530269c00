"""Token buckets: over any window at most burst + rate x w, however time runs (INV-R1)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.limits.bucket import Bucket, Buckets, Rate

rates = st.builds(Rate, rate=st.floats(0.01, 1000), burst=st.floats(1, 500))
counts = st.floats(0.1, 20)
begins = st.floats(0, 1e7)
pauses = st.one_of(st.just(0.0), st.floats(0, 0.01), st.floats(0, 100))


@given(rate=rates, begin=begins, asks=st.lists(st.tuples(pauses, counts), max_size=80))
def test_no_window_admits_too_much(rate: Rate, begin: float, asks: list[tuple[float, float]]) -> None:
    """INV-R1, over every window of every history."""
    bucket, now, admitted = Bucket(rate), begin, list[tuple[float, float]]()
    for pause, count in asks:
        now += pause
        if bucket.take(now, count=count) == 0.0:
            admitted.append((now, count))
    for first, (begun, _) in enumerate(admitted):
        total = 0.0
        for at, count in admitted[first:]:
            total += count
            assert total <= rate.burst + rate.rate * (at - begun) + 1e-6 * (1 + rate.rate)


@given(rate=rates, begin=begins, asks=st.lists(st.tuples(pauses, counts), max_size=40), count=counts)
def test_the_wait_is_exact(rate: Rate, begin: float, asks: list[tuple[float, float]], count: float) -> None:
    """After the wait it is admitted, clearly before it is not; a refusal takes nothing and moves nothing."""
    bucket, now = Bucket(rate), begin
    for pause, asked in asks:
        now += pause
        bucket.take(now, count=asked)
    wait_s = bucket.wait_s(now, count=count)
    if count > rate.burst:
        assert wait_s == math.inf
        return
    assert 0.0 <= wait_s <= count / rate.rate + 1e-6
    if wait_s > 1e-3:
        full_at = bucket.full_at
        assert bucket.take(now + wait_s * 0.99, count=count) > 0.0
        assert bucket.full_at == full_at
    assert bucket.take(now + wait_s + 1e-8, count=count) == 0.0


@given(rate=rates, steps=st.lists(st.floats(-50, 50), max_size=60))
def test_time_that_steps_back_admits_nothing(rate: Rate, steps: list[float]) -> None:
    """INV-R1 in the time that was furthest ahead, from the first taking on."""
    bucket, now, furthest = Bucket(rate), 1000.0, 1000.0
    admitted = int(bucket.take(now) == 0.0)
    for step in steps:
        now += step
        furthest = max(furthest, now)
        admitted += bucket.take(now) == 0.0
    assert admitted <= rate.burst + rate.rate * (furthest - 1000.0) + 1e-6 * (1 + rate.rate)


def test_a_burst_then_a_trickle() -> None:
    bucket = Bucket(Rate(rate=2, burst=3))
    assert [bucket.take(10.0) for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert bucket.take(10.5) == 0
    assert bucket.take(10.5) == 0.5
    assert [bucket.take(1000.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert Bucket(Rate(rate=2, burst=3)).take(0, count=3.5) == math.inf


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1), (math.inf, 1), (math.nan, 1)])
def test_a_rate_must_be_one(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Rate(rate=rate, burst=burst)


@given(asks=st.lists(st.tuples(st.sampled_from("abc"), pauses, counts), max_size=80), rate=rates)
def test_keys_are_apart_and_forgetting_is_not_felt(asks: list[tuple[str, float, float]], rate: Rate) -> None:
    """A table answers as one bucket per key would, though it forgets each that is full again."""
    buckets, single, now = Buckets(rate), {key: Bucket(rate) for key in "abc"}, 5.0
    for key, pause, count in asks:
        now += pause
        assert buckets.wait_s(key, now, count=count) == single[key].wait_s(now, count=count)
        assert buckets.take(key, now, count=count) == single[key].take(now, count=count)


def test_the_table_is_bounded() -> None:
    buckets = Buckets(Rate(rate=1, burst=5), max_keys=100)
    for number in range(1000):
        buckets.take(str(number), 0.0)
        assert len(buckets) <= 100
    buckets.take("last", 5.1)
    assert len(buckets) == 1
