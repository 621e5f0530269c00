"""The sweep: everything is looked at, and one failure does not end it."""

from __future__ import annotations

import pytest

from taskgate.proxy.turn import Turn
from tests.rules.proxy.stage import HandClock


class Timer:
    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.seen: list[float] = []

    def sweep(self, now: float) -> None:
        self.seen.append(now)
        if self.fails:
            raise ZeroDivisionError


def test_a_failure_does_not_end_the_sweep(caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    turn, timers = Turn(clock), [Timer(fails=True), Timer(), Timer(fails=True)]
    turn.timed.update(timers)
    clock.time += 5
    turn.sweep()
    assert [timer.seen for timer in timers] == [[clock.time]] * 3
    assert turn.now == clock.time
    assert "deadline" in caplog.text


async def test_it_sleeps_while_there_is_nothing() -> None:
    turn = Turn(period_s=0.01)
    assert not is_awake(turn)
    turn.add(Timer())
    turn.add(Timer())
    assert is_awake(turn)
    turn.timed.clear()
    turn._tick()
    assert not is_awake(turn)


def is_awake(turn: Turn) -> bool:
    return turn._timer is not None
