"""Reconnecting: full jitter from 0.5 to 30 s, and the gateway's own wish on top (F27)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.wire.reconnect import reconnect_delay_s


def test_the_limit_doubles_up_to_thirty_seconds() -> None:
    assert [reconnect_delay_s(count, 1.0) for count in range(8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert reconnect_delay_s(10**9, 1.0) == 30.0
    assert reconnect_delay_s(5, 0.0) == 0.0


@given(st.integers(-1, 10**6), st.floats(0, 1), st.floats(0, 600))
def test_a_hint_is_waited_in_full(count: int, chance: float, hint_s: float) -> None:
    delay_s = reconnect_delay_s(count, chance, hint_s=hint_s)
    assert hint_s <= delay_s <= hint_s + 30.0
