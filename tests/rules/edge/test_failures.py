"""Failed tries by address: over any window not more than burst + rate * window (INV-R1)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.edge.failures import FailedTries, network_of
from taskgate.testing.clock import ManualClock


@given(st.lists(st.floats(0, 2), min_size=1, max_size=120))
def test_never_more_than_burst_and_rate(pauses: list[float]) -> None:
    clock = ManualClock()
    tries = FailedTries(clock, rate=5.0, burst=5)
    admitted: list[float] = []
    for pause in pauses:
        clock.advance(pause)
        if tries.left_s("192.0.2.1") == 0:
            tries.count("192.0.2.1")
            admitted.append(clock.monotonic())
    for first, start in enumerate(admitted):
        for last in range(first, len(admitted)):
            assert last - first + 1 <= 5 + 5.0 * (admitted[last] - start) + 1e-6


def test_it_says_how_long_and_then_lets_go() -> None:
    clock = ManualClock()
    tries = FailedTries(clock)
    for _ in range(5):
        assert tries.left_s("192.0.2.1") == 0
        tries.count("192.0.2.1")
    left_s = tries.left_s("192.0.2.1")
    assert 0 < left_s <= 0.2001
    assert tries.left_s("192.0.2.2") == 0
    clock.advance(left_s + 1e-6)
    assert tries.left_s("192.0.2.1") == 0


def test_a_clock_that_jumps_changes_nothing() -> None:
    clock = ManualClock()
    tries = FailedTries(clock)
    for _ in range(5):
        tries.count("a")
    clock.jump(3600)
    assert tries.left_s("a") > 0


def test_one_ipv6_network_is_one_address() -> None:
    """S41: rotating inside a /64 gains nothing."""
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert network_of("unix:") == "unix:"


def test_memory_is_bounded() -> None:
    clock = ManualClock()
    tries = FailedTries(clock, max_addresses=1000)
    for number in range(1100):
        tries.count(f"10.0.{number >> 8}.{number & 255}")
    assert len(tries) == 1000
    clock.advance(60)
    tries.count("10.0.0.1")
    assert len(tries) == 1
