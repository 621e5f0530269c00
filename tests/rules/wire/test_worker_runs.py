"""A worker's runs: fences, heartbeats and liveness, orders to stop (INV-F4)."""

from __future__ import annotations

import pytest

from taskgate.wire import messages as m
from taskgate.wire import worker_events as e
from taskgate.wire.link import Limits, Phase
from taskgate.wire.worker_link import WorkerLink
from tests.rules.wire.worker_side import HELLO, accept, away, kinds, log, opened, result, running, task


def test_an_unconfirmed_run_asks_every_second_and_ends_at_the_offers_fence() -> None:
    """INV-F4: accept has no answer of its own."""
    link = running()
    moments = []
    while link.phase is Phase.OPEN and (now := link.next_tick_at()) <= 4.5:
        events = link.tick(now)
        beats = [message for message in link.outgoing() if isinstance(message, m.Heartbeat)]
        moments += [round(now, 2) for beat in beats if beat.held]
        if events:
            assert (events, round(now, 2)) == ([e.Stop("r1", 1, "fence")], 4.0)
    assert moments == [1.0, 2.0, 3.0]


def test_a_confirmed_run_is_safe_from_the_moment_the_question_was_sent() -> None:
    link = running()
    link.tick(1.0)
    (beat,) = link.outgoing()
    assert isinstance(beat, m.Heartbeat)
    held = [m.Receipt(run_id="r1", attempt=1, lease_token="t-r1", left_s=30.0)]
    link.received(m.HeartbeatAck(nonce=beat.nonce), 1.5)
    link.received(m.HeartbeatAck(nonce=beat.nonce, renewed=held), 3.0)
    assert e.Stop("r1", 1, "fence") not in link.tick(25.9)
    assert e.Stop("r1", 1, "fence") in link.tick(26.01)


def test_an_absent_left_s_means_the_whole_lease() -> None:
    link = running()
    link.tick(1.0)
    (beat,) = link.outgoing()
    assert isinstance(beat, m.Heartbeat)
    link.received(m.HeartbeatAck(nonce=beat.nonce, renewed=beat.held), 1.0)
    assert not [event for event in link.tick(25.9) if isinstance(event, e.Stop)]


@pytest.mark.parametrize(("token", "nonce"), [("t-other", None), ("t-r1", "1.999"), ("t-r1", "")])
def test_a_foreign_receipt_or_nonce_renews_nothing(token: str, nonce: str | None) -> None:
    link = running()
    link.tick(1.0)
    (beat,) = link.outgoing()
    assert isinstance(beat, m.Heartbeat)
    renewed = [m.Receipt(run_id="r1", attempt=1, lease_token=token, left_s=30.0)]
    link.received(m.HeartbeatAck(nonce=beat.nonce if nonce is None else nonce, renewed=renewed), 1.0)
    assert e.Stop("r1", 1, "fence") in link.tick(4.01)


def test_an_answer_after_the_fence_revives_nothing() -> None:
    link = running()
    link.tick(1.0)
    (beat,) = link.outgoing()
    assert isinstance(beat, m.Heartbeat)
    assert link.tick(4.01) == [e.Stop("r1", 1, "fence")]
    link.received(m.HeartbeatAck(nonce=beat.nonce, renewed=beat.held), 4.02)
    link.outgoing()
    link.tick(4.5)
    link.send(m.Stopped(run_id="r1", attempt=1, lease_token="t-r1"), 5.0)
    assert link.active_count == 0


def test_the_nonce_of_an_earlier_stream_proves_nothing() -> None:
    """Liveness is proved on the stream that carries the work."""
    link = opened()
    link.tick(10.0)
    (beat,) = link.outgoing()
    assert isinstance(beat, m.Heartbeat)
    link.disconnected(11.0)
    opened(link, 11.0)
    link.received(m.HeartbeatAck(nonce=beat.nonce), 35.0)
    assert link.tick(41.5)[-1] == e.GatewayDead("heartbeat")


def test_a_silent_gateway_is_dead_after_thirty_seconds() -> None:
    link = opened()
    assert not link.tick(29.9)
    assert link.tick(30.1) == [e.GatewayDead("heartbeat")]
    assert link.phase is Phase.AWAY
    assert link.outgoing() == []
    assert link.disconnected(30.2) == []


def test_a_gateway_that_never_welcomes_is_dead_after_ten_seconds() -> None:
    link = away()
    link.connected(0.0)
    link.tick(0.0)
    assert link.tick(link.next_tick_at()) == [e.GatewayDead("welcome")]
    assert link.phase is Phase.AWAY


def test_heartbeats_carry_load_and_follow_new_intervals() -> None:
    link = opened()
    link.load = m.Load(cpu=0.5, running=1)
    link.received(m.Config(heartbeat_s=2.0, dead_after_s=6.0), 1.0)
    link.tick(1.0)
    assert link.next_tick_at() == 3.0
    link.tick(3.0)
    (beat,) = link.outgoing()
    assert isinstance(beat, m.Heartbeat)
    assert beat.load == m.Load(cpu=0.5, running=1)
    assert e.GatewayDead("heartbeat") in link.tick(7.1)


def test_heartbeats_do_not_beat_in_step() -> None:
    """10 s ± 20 %."""
    for chance, due_at in ((0.0, 8.0), (1.0, 12.0)):
        link = WorkerLink(HELLO, capacity=1, chance=lambda chance=chance: chance)  # type: ignore[misc]
        assert opened(link).next_tick_at() == pytest.approx(due_at)


def test_cancel_stops_once() -> None:
    link = running()
    assert link.received(m.Cancel(run_id="r1", attempt=1), 1.0) == [e.Stop("r1", 1, "cancelled")]
    assert link.received(m.Cancel(run_id="r1", attempt=1), 1.1) == []
    assert link.tick(60.0)[0] != e.Stop("r1", 1, "fence")


def test_cancel_of_an_offer_is_answered_by_the_link() -> None:
    link = opened()
    link.received(task(), 0.0)
    assert link.received(m.Cancel(run_id="r1", attempt=1), 0.1) == [e.OfferExpired("r1", 1, "cancelled")]
    assert m.Stopped(run_id="r1", attempt=1, lease_token="t-r1") in link.outgoing()


def test_cancel_of_an_unknown_run_is_answered_with_stopped() -> None:
    link = opened()
    assert link.received(m.Cancel(run_id="r9", attempt=4), 0.1) == ()
    assert m.Stopped(run_id="r9", attempt=4, lease_token="") in link.outgoing()


def test_cancel_of_an_ended_run_frees_its_logs() -> None:
    """Otherwise lines that no gateway takes any more would fill the window for ever."""
    link = running()
    link.send(log(1), 0.1)
    link.send(result(), 0.2)
    link.received(m.Cancel(run_id="r1", attempt=1, reason="lost"), 0.3)
    assert link.log_room_bytes == Limits().log_window_bytes


def test_a_run_that_is_being_stopped_says_nothing_more_and_keeps_its_place() -> None:
    link = opened(away(capacity=1))
    link.received(task(), 0.0)
    link.send(accept(), 0.0)
    link.received(m.Cancel(run_id="r1", attempt=1), 0.1)
    link.outgoing()
    link.send(log(1), 0.2)
    assert link.outgoing() == []
    link.send(m.Stopped(run_id="r1", attempt=1, lease_token="t-r1"), 0.3)
    assert kinds(link.outgoing()) == ["Stopped", "Ready"]


def test_the_next_attempt_may_begin_while_the_last_one_is_being_stopped() -> None:
    link = running()
    link.received(m.Cancel(run_id="r1", attempt=1, reason="lost"), 0.1)
    assert link.received(task(attempt=2), 0.2) == [e.Offered(task(attempt=2))]
    link.send(accept(attempt=2), 0.3)
    assert link.active_count == 2
