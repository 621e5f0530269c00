"""Two links over a wire that delays, stalls and cuts: what must hold whatever happens (INV-F1, F4, L1, F20).

First histories that were thought out, then Hypothesis looking for those that nobody thought of.
"""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from taskgate.wire.link import Limits, Phase
from tests.rules.wire.ledger import Key
from tests.rules.wire.world import World

WINDOW = Limits().log_window_bytes
RUN: Key = ("r1", 1)


def offered(*, lazily: bool = False, delay_s: float = 0.0) -> World:
    """A connected worker that has one offer before it."""
    world = World(lazily=lazily)
    world.delay_s = delay_s
    world.add("r1")
    world.connect()
    world.advance(3.0)
    world.offer()
    world.advance(delay_s)
    return world


def begun(*, lazily: bool = False) -> World:
    """A connected worker that has begun one run."""
    world = offered(lazily=lazily)
    world.do(lambda hands, now: hands.start(RUN, now))
    return world


def silence(world: World, way: str) -> None:
    """One direction, or both, carry nothing any more, and nobody is told."""
    assert world.connection is not None
    if way in ("up", "both"):
        world.connection.up.stalled_until = inf
    if way in ("down", "both"):
        world.connection.down.stalled_until = inf


def finish_everything(world: World) -> None:
    """Heal the wire and work until every run has ended and everything said is settled."""
    world.delay_s = 0.0
    link = world.hands.link
    for _ in range(100):
        if world.connection is not None:
            world.connection.up.stalled_until = world.connection.down.stalled_until = 0.0
        if link.phase is Phase.AWAY:
            world.connect()
        world.advance(0.5)
        world.offer()
        world.advance(0.1)
        for key in tuple(world.hands.waiting):
            world.do(lambda hands, now, key=key: hands.start(key, now))  # type: ignore[misc]
        for key in tuple(world.hands.running):
            world.do(lambda hands, now, key=key: hands.finish(key, now))  # type: ignore[misc]
        if all(run.ended for run in world.ledger.runs.values()) and not link.unsettled_count:
            break
    world.advance(1.0)


def check_ended(world: World) -> None:
    """Every run ended once, by an attempt that was begun, with its journal whole."""
    assert all(run.ended for run in world.ledger.runs.values())
    assert world.hands.link.unsettled_count == 0
    assert world.hands.link.active_count == 0
    assert world.hands.link.log_room_bytes == WINDOW
    settled = [key for key, _ in world.hands.settled]
    assert len(settled) == len(set(settled))
    for run_id, run in world.ledger.runs.items():
        if not run.cancelled:
            assert run.lines.get((run.attempt, "stdout"), []) == world.hands.written.get((run_id, run.attempt), [])


def check_journals(world: World) -> None:
    """A reader always sees a prefix of what was written (INV-L1)."""
    for run_id, run in world.ledger.runs.items():
        for (attempt, stream), lines in run.lines.items():
            assert stream == "stdout"
            assert lines == world.hands.written[run_id, attempt][: len(lines)]


def test_a_run_goes_through() -> None:
    world = begun()
    world.do(lambda hands, now: hands.write(RUN, 3, now))
    world.do(lambda hands, now: hands.finish(RUN, now))
    world.advance(0.1)
    check_ended(world)
    assert world.hands.settled == [(RUN, "applied")]


@pytest.mark.parametrize("lazily", [False, True])
def test_a_long_run_keeps_its_lease(lazily: bool) -> None:
    world = begun(lazily=lazily)
    world.delay_s = 0.4
    world.advance(600.0)
    assert RUN in world.hands.running
    assert not world.breaches


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("way", ["up", "down", "both"])
@pytest.mark.parametrize("after_s", [None, 0.0, 0.9, 1.5, 4.0, 17.0])
@pytest.mark.parametrize("delay_s", [0.0, 0.9])
def test_a_silent_wire_stops_the_run_before_another_may_have_it(
    lazily: bool, way: str, after_s: float | None, delay_s: float
) -> None:
    """INV-F4, F6: whichever direction dies, and whenever (None: before the accept is out), the run is stopped first."""
    world = offered(lazily=lazily, delay_s=delay_s)
    if after_s is None:
        silence(world, way)
    world.do(lambda hands, now: hands.start(RUN, now))
    world.advance(after_s or 0.0)
    silence(world, way)
    world.advance(60.0)
    assert RUN not in world.hands.running
    assert world.hands.stopped_for == {RUN: "fence"}
    assert not world.breaches
    finish_everything(world)
    check_ended(world)


def test_a_slow_wire_does_not_stretch_a_fence() -> None:
    """INV-F4: an answer that took 3 s is dated from the question, so what it promises is not promised 3 s too late."""
    world = offered(lazily=False, delay_s=0.0)
    world.do(lambda hands, now: hands.start(RUN, now))
    world.advance(2.0)
    assert world.connection is not None
    world.connection.down.stalled_until = world.now + 18.0
    world.advance(18.5)
    silence(world, "both")
    world.advance(60.0)
    assert world.hands.stopped_for == {RUN: "fence"}
    assert not world.breaches


def test_an_accept_that_was_lost_is_made_good_by_the_reconnect() -> None:
    """The begun run is in `held` of the next hello, in time for its lease of a few seconds."""
    world = begun()
    world.cut(up=0, down=0)
    world.advance(2.0)
    world.connect()
    world.advance(20.0)
    assert RUN in world.hands.running
    assert world.ledger.runs["r1"].attempt == 1


def test_a_result_is_said_again_until_it_is_acknowledged() -> None:
    """F20: lost before the gateway: applied later; lost on the way back: replayed, never applied twice."""
    for arrived, verdict in ((0, "applied"), (9, "replayed")):
        world = begun()
        world.do(lambda hands, now: hands.write(RUN, 3, now))
        world.advance(0.0)
        world.delay_s = 0.5
        world.do(lambda hands, now: hands.finish(RUN, now))
        world.cut(up=arrived, down=0)
        world.advance(1.0)
        world.connect()
        world.advance(2.0)
        assert world.hands.settled == [(RUN, verdict)]
        check_ended(world)


def test_logs_go_on_without_gap_or_repeat_over_cuts() -> None:
    """INV-L1: cut with any part of the batches and of their acknowledgements under way."""
    for up in range(4):
        for down in range(4):
            world = begun()
            world.delay_s = 0.05
            for _ in range(4):
                world.do(lambda hands, now: hands.write(RUN, 5, now))
                world.advance(0.02)
            world.cut(up=up, down=down)
            world.advance(1.0)
            world.do(lambda hands, now: hands.write(RUN, 5, now))
            world.connect()
            world.advance(1.0)
            check_journals(world)
            finish_everything(world)
            check_ended(world)
            assert world.ledger.runs["r1"].attempt == 1


def test_an_offer_dies_with_its_connection() -> None:
    world = World()
    world.add("r1")
    world.connect()
    world.advance(0.1)
    world.offer()
    world.advance(0.1)
    assert RUN in world.hands.waiting
    world.cut(up=0, down=0)
    assert not world.hands.waiting
    world.connect()
    finish_everything(world)
    check_ended(world)
    assert world.ledger.runs["r1"].attempt == 2


def test_a_cancel_that_crosses_the_result_changes_nothing_twice() -> None:
    world = begun()
    world.delay_s = 0.5
    world.do(lambda hands, now: hands.finish(RUN, now))
    world.cancel("r1")
    world.advance(3.0)
    assert world.hands.settled == [(RUN, "stale")]
    assert world.ledger.runs["r1"].output is None
    check_ended(world)


def test_a_run_cancelled_while_away_is_stopped_at_the_welcome() -> None:
    world = begun()
    world.advance(1.5)
    world.cut(up=0, down=0)
    world.cancel("r1")
    world.connect()
    world.advance(0.5)
    assert world.hands.stopped_for == {RUN: "lost"}
    check_ended(world)


class Chaos(RuleBasedStateMachine):
    """Random histories of one worker and one gateway."""

    @initialize(lazily=st.booleans(), delay_s=st.sampled_from([0.0, 0.2, 0.45]))
    def begin(self, lazily: bool, delay_s: float) -> None:
        self.world = World(lazily=lazily)
        self.world.delay_s = delay_s
        self.world.add("r0")
        self.world.connect()
        self.world.advance(1.0)

    @rule()
    def submit(self) -> None:
        self.world.add(f"r{len(self.world.ledger.runs)}")

    @rule()
    def offer(self) -> None:
        self.world.offer()

    @precondition(lambda self: self.world.hands.link.phase is Phase.AWAY)
    @rule()
    def connect(self) -> None:
        self.world.connect()

    @precondition(lambda self: self.world.hands.waiting)
    @rule()
    def start(self) -> None:
        key = next(iter(self.world.hands.waiting))
        self.world.do(lambda hands, now: hands.start(key, now))

    @precondition(lambda self: self.world.hands.running)
    @rule(count=st.integers(1, 5))
    def write(self, count: int) -> None:
        key = next(iter(self.world.hands.running))
        self.world.do(lambda hands, now: hands.write(key, count, now))

    @precondition(lambda self: self.world.hands.running)
    @rule(which=st.integers(0, 3))
    def finish(self, which: int) -> None:
        keys = list(self.world.hands.running)
        self.world.do(lambda hands, now: hands.finish(keys[which % len(keys)], now))

    @rule(seconds=st.sampled_from([0.05, 0.3, 0.95, 3.0, 6.0, 11.0, 26.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)

    @rule(up=st.integers(0, 3), down=st.integers(0, 3))
    def cut(self, up: int, down: int) -> None:
        self.world.cut(up=up, down=down)

    @precondition(lambda self: self.world.connection is not None)
    @rule(seconds=st.sampled_from([0.5, 3.0, 10.0, 28.0, 100.0]), way=st.sampled_from(["up", "down", "both"]))
    def stall(self, seconds: float, way: str) -> None:
        wire, until = self.world.connection, self.world.now + seconds
        assert wire is not None
        for pipe in {"up": [wire.up], "down": [wire.down], "both": [wire.up, wire.down]}[way]:
            pipe.stalled_until = until

    @rule(which=st.integers(0, 5))
    def cancel(self, which: int) -> None:
        runs = list(self.world.ledger.runs)
        self.world.cancel(runs[which % len(runs)])

    @invariant()
    def nobody_works_past_the_lease(self) -> None:
        """INV-F4."""
        assert not self.world.breaches

    @invariant()
    def readers_see_prefixes(self) -> None:
        """INV-L1."""
        check_journals(self.world)

    def teardown(self) -> None:
        """INV-T1 of the link: nothing is left over once the wire is healed."""
        if hasattr(self, "world"):
            finish_everything(self.world)
            check_ended(self.world)


Chaos.TestCase.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestChaos = Chaos.TestCase
