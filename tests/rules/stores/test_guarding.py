"""The breaker in front of a backend: what counts against it, who probes, and that no probe's place is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from taskgate.errors import Unavailable
from taskgate.stores.guarding import FAILURES, OPEN_S, Guard, Turn

PATIENCE_S = 2.0


class Moment:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def guard(moment: Moment) -> Guard:
    return Guard("store", patience_s=PATIENCE_S, monotonic=moment)


def state_of(guard: Guard) -> str:
    return guard.state


def opened(guard: Guard) -> None:
    for _ in range(FAILURES):
        guard.silent(guard.enter())
    assert state_of(guard) == "open"


def test_inv_r2_so_many_silences_open_it_and_callers_hear_when_to_come_back(guard: Guard) -> None:
    for _ in range(FAILURES - 1):
        guard.silent(guard.enter())
    assert (state_of(guard), guard.refusal()) == ("closed", None)
    guard.silent(guard.enter())
    with pytest.raises(Unavailable) as refused:
        guard.enter()
    assert refused.value.code == "STORE_AWAY"
    assert 0 < refused.value.retry_after_s <= OPEN_S
    assert guard.refusal() is not None
    assert (guard.opened_count, guard.refused_count) == (1, 2)


@pytest.mark.parametrize("between", [Guard.answered, Guard.lost])
def test_an_answer_between_silences_keeps_it_closed_and_a_lost_connection_does_not(
    guard: Guard, between: Callable[[Guard, Turn], None]
) -> None:
    for _ in range(FAILURES * 3):
        guard.silent(guard.enter())
        if state_of(guard) == "open":
            break
        between(guard, guard.enter())
    assert state_of(guard) == ("closed" if between is Guard.answered else "open")


def test_inv_r2_one_call_at_a_time_probes_and_an_answer_closes_it(guard: Guard, moment: Moment) -> None:
    opened(guard)
    moment.now += OPEN_S
    assert (state_of(guard), guard.refusal()) == ("half_open", None)
    probe = guard.enter()
    for _ in range(3):
        with pytest.raises(Unavailable):
            guard.enter()
    assert guard.refusal() is not None
    moment.now += PATIENCE_S  # it may take as long as a call may
    with pytest.raises(Unavailable):
        guard.enter()
    guard.silent(probe)
    assert state_of(guard) == "open"
    moment.now += OPEN_S
    guard.answered(guard.enter())
    assert state_of(guard) == "closed"
    assert guard.opened_count == 1


def test_no_place_of_a_probe_is_lost_with_its_caller(guard: Guard, moment: Moment) -> None:
    opened(guard)
    moment.now += OPEN_S
    for _ in range(1000):
        guard.given_up(guard.enter())  # gone before it could tell anything
    guard.enter()  # and this one is never heard of again
    moment.now += 2 * PATIENCE_S
    guard.answered(guard.enter())
    assert state_of(guard) == "closed"


def test_who_leaves_early_counts_for_nothing_and_who_waited_for_all_it_could_does(guard: Guard, moment: Moment) -> None:
    for _ in range(FAILURES * 10):
        guard.given_up(guard.enter())
    assert state_of(guard) == "closed"
    turns = [guard.enter() for _ in range(FAILURES)]
    moment.now += PATIENCE_S
    for turn in turns:
        guard.given_up(turn)
    assert state_of(guard) == "open"


def test_what_began_before_the_opening_decides_nothing_after_it(guard: Guard, moment: Moment) -> None:
    early = guard.enter()
    opened(guard)
    guard.answered(early)
    assert state_of(guard) == "open"
    moment.now += OPEN_S
    guard.silent(early)
    assert state_of(guard) == "half_open"
