"""Breakers against a model that keeps everything and looks it all up again (INV-R2)."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, initialize, invariant, multiple, rule

from taskgate.limits.breaker import Breaker
from taskgate.limits.window import SLOT_COUNT

STEP_S = 0.25  # a power of two, so that the model's sums are exact


class Phase:
    """What the model keeps of one closed or half-open phase."""

    def __init__(self, *, is_closed: bool, begins_at: float = 0.0) -> None:
        self.is_closed = is_closed
        self.begins_at = begins_at
        self.started: dict[int, float] = {}
        self.outcomes: list[tuple[float, bool]] = []
        self.well = 0


class NaiveBreaker:
    """The same rules, by going through the whole history of a phase at every question."""

    def __init__(self, *, failures: int, ratio: float, min_calls: int, window_s: float, open_s: float, probes: int):
        self.failures, self.ratio, self.min_calls = failures, ratio, min_calls
        self.window_s, self.open_s, self.probes = window_s, open_s, probes
        self.phase = Phase(is_closed=True)
        self.calls = 0

    def admits(self, now: float) -> bool:
        phase = self.phase
        if phase.is_closed:
            return True
        waiting = [start for start in phase.started.values() if start > now - self.open_s]
        return now >= phase.begins_at and len(waiting) + phase.well < self.probes

    def admit(self, now: float) -> int:
        if not self.admits(now):
            return 0
        self.calls += 1
        phase = self.phase
        if not phase.is_closed:
            phase.started = {call: at for call, at in phase.started.items() if at > now - self.open_s}
        phase.started[self.calls] = now
        return self.calls

    def ended(self, call: int, now: float, *, well: bool | None) -> None:
        phase = self.phase
        if phase.started.pop(call, None) is None or well is None:
            return
        if phase.is_closed:
            phase.outcomes.append((now, well))
            if not well and self.failures and (self._streak() >= self.failures or self._is_mostly_bad(now)):
                self.phase = Phase(is_closed=False, begins_at=now + self.open_s)
        elif not well:
            self.phase = Phase(is_closed=False, begins_at=now + self.open_s)
        else:
            phase.well += 1
            if phase.well >= self.probes:
                self.phase = Phase(is_closed=True)

    def _streak(self) -> int:
        count = 0
        for _, well in reversed(self.phase.outcomes):
            if well:
                break
            count += 1
        return count

    def _is_mostly_bad(self, now: float) -> bool:
        slot_s = self.window_s / SLOT_COUNT
        oldest = now // slot_s - SLOT_COUNT + 1
        recent = [well for at, well in self.phase.outcomes if at // slot_s >= oldest]
        return len(recent) >= self.min_calls and recent.count(False) >= self.ratio * len(recent)


class BreakerLife(RuleBasedStateMachine):
    """Calls overlap, end late, end in any way, or never end."""

    calls: Bundle[int] = Bundle("calls")

    @initialize(
        failures=st.integers(0, 4),
        ratio=st.sampled_from([0.25, 0.5, 1.0, 2.0]),
        min_calls=st.integers(1, 8),
        probes=st.integers(1, 3),
        open_s=st.sampled_from([0.5, 2.0, 8.0]),
    )
    def begin(self, failures: int, ratio: float, min_calls: int, probes: int, open_s: float) -> None:
        self.now = 1000.0
        rule = {"failures": failures, "ratio": ratio, "min_calls": min_calls, "probes": probes, "open_s": open_s}
        self.real = Breaker(window_s=10.0, **rule)  # type: ignore[arg-type]
        self.naive = NaiveBreaker(window_s=10.0, **rule)  # type: ignore[arg-type]

    @rule(steps=st.one_of(st.integers(0, 4), st.integers(0, 60)))
    def time_passes(self, steps: int) -> None:
        self.now += steps * STEP_S

    @rule(target=calls, count=st.integers(1, 4))
    def calls_are_made(self, count: int) -> MultipleResults[int]:
        admitted = []
        for _ in range(count):
            number = self.real.admit(self.now)
            assert number == self.naive.admit(self.now)
            if number:
                admitted.append(number)
        return multiple(*admitted)

    @rule(call=calls, well=st.sampled_from([True, False, False, None]))
    def a_call_ends(self, call: int, well: bool | None) -> None:
        if call not in self.naive.phase.started and self.naive.phase.is_closed:
            return  # told twice in a closed phase: the caller's promise is broken, and it is believed
        verb = {True: self.real.succeeded, False: self.real.failed, None: self.real.abandoned}[well]
        verb(call, self.now)
        self.naive.ended(call, self.now, well=well)

    @rule(call=calls, well=st.booleans())
    def a_call_of_an_earlier_phase_ends(self, call: int, well: bool) -> None:
        """INV-R2: it counts for nothing, whatever the state is."""
        if call not in self.naive.phase.started and call <= self.real._since:
            (self.real.succeeded if well else self.real.failed)(call, self.now)

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "real"):
            return
        phase = self.naive.phase
        state = "closed" if phase.is_closed else "open" if self.now < phase.begins_at else "half_open"
        assert self.real.state(self.now) == state
        assert (self.real.retry_after_s(self.now) == 0) is self.naive.admits(self.now)
        if state == "open":
            assert self.real.retry_after_s(self.now) == phase.begins_at - self.now
        assert len(self.real._probing) <= self.real._probes


TestBreakerLife = BreakerLife.TestCase
TestBreakerLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def breaker(**changes: float) -> Breaker:
    rule = {"failures": 3, "ratio": 0.5, "min_calls": 10, "window_s": 60.0, "open_s": 30.0, "probes": 1, **changes}
    return Breaker(**rule)  # type: ignore[arg-type]


def test_a_streak_opens_and_one_good_probe_closes() -> None:
    one = breaker()
    for _ in range(3):
        one.failed(one.admit(100.0), 100.0)
    assert (one.state(100.0), one.admit(129.9), one.retry_after_s(110.0)) == ("open", 0, 20.0)
    probe = one.admit(130.0)
    assert probe == 4
    assert one.state(130.0) == "half_open"
    assert (one.admit(130.0), one.retry_after_s(130.0)) == (0, 1.0)
    one.succeeded(probe, 130.1)
    assert (one.state(130.1), one.admit(130.1)) == ("closed", 5)


def test_a_call_from_before_an_opening_decides_nothing_after_it() -> None:
    """Neither as a probe nor in the closed phase that follows."""
    one = breaker(failures=1)
    old, first = one.admit(0.0), one.admit(0.0)
    one.failed(first, 0.0)
    probe = one.admit(30.0)
    one.succeeded(old, 30.0)
    assert one.state(30.0) == "half_open"
    one.failed(old, 30.0)
    assert one.state(30.0) == "half_open"
    one.succeeded(probe, 30.0)
    one.failed(old, 30.0)
    assert one.state(30.0) == "closed"


@pytest.mark.parametrize("loses", ["abandoned", "never ends"])
def test_no_place_of_a_probe_is_lost(loses: str) -> None:
    one = breaker(failures=1)
    one.failed(one.admit(0.0), 0.0)
    lost = one.admit(30.0)
    if loses == "abandoned":
        one.abandoned(lost, 31.0)
        again_at = 31.0
    else:
        again_at = 60.0
        assert one.admit(59.9) == 0
    probe = one.admit(again_at)
    assert probe > lost
    one.succeeded(lost, again_at)
    assert one.state(again_at) == "half_open"
    one.succeeded(probe, again_at)
    assert one.state(again_at) == "closed"


def test_a_ratio_opens_only_over_enough_calls_within_the_window() -> None:
    one = breaker(failures=100, window_s=10.0)
    for number in range(9):
        now = float(number % 2)
        call = one.admit(now)
        (one.failed if number % 2 else one.succeeded)(call, now)
    assert one.state(1.0) == "closed"
    one.failed(one.admit(11.0), 11.0)
    assert one.state(11.0) == "closed"
    for number in range(9):
        call = one.admit(11.0)
        (one.succeeded if number % 2 else one.failed)(call, 11.0)
    assert one.state(11.0) == "open"


def test_switched_off_it_never_opens() -> None:
    one = breaker(failures=0)
    for _ in range(1000):
        one.failed(one.admit(0.0), 0.0)
    assert one.state(0.0) == "closed"


def test_one_upstream_does_not_open_another() -> None:
    """INV-R2: state is per upstream."""
    sick, well = breaker(failures=1), breaker(failures=1)
    sick.failed(sick.admit(0.0), 0.0)
    assert (sick.admit(0.0), well.admit(0.0)) == (0, 1)


def test_the_other_probes_of_a_failed_phase_count_for_nothing() -> None:
    one = breaker(failures=1, probes=2)
    one.failed(one.admit(0.0), 0.0)
    first, second = one.admit(30.0), one.admit(30.0)
    one.failed(first, 30.0)
    one.failed(second, 45.0)
    assert one.retry_after_s(45.0) == 15.0
    one.succeeded(second, 60.0)
    assert (one.admit(60.0), one.admit(60.0), one.admit(60.0)) == (4, 5, 0)
