"""A worker's link over connections: what is held and said again (F20)."""

from __future__ import annotations

from taskgate.wire import messages as m
from taskgate.wire import worker_events as e
from taskgate.wire.link import Limits
from tests.rules.wire.worker_side import WELCOME, accept, away, kinds, log, opened, result, running, task


def test_hello_holds_what_runs_and_what_has_ended_unsettled() -> None:
    link = opened(away(capacity=4))
    for run_id in ("r1", "r2", "r3"):
        link.received(task(run_id), 0.0)
    link.send(accept("r1"), 0.0)
    link.send(accept("r2"), 0.0)
    link.send(result("r2"), 0.0)
    assert link.disconnected(0.5) == [e.OfferExpired("r3", 1, "disconnected")]
    link.connected(1.0)
    (hello,) = link.outgoing()
    assert isinstance(hello, m.Hello)
    assert [receipt.run_id for receipt in hello.held] == ["r1", "r2"]


def test_the_welcome_brings_everything_back_in_order() -> None:
    """Logs before results, results in the order they ended, then the question for the leases."""
    link = opened(away(capacity=4))
    for run_id in ("r1", "r2", "r3"):
        link.received(task(run_id), 0.0)
        link.send(accept(run_id), 0.0)
    link.disconnected(0.5)
    link.send(log(1, 2, run_id="r3"), 0.6)
    link.send(result("r2"), 0.7)
    link.send(log(1, 1, run_id="r1"), 0.8)
    link.send(result("r1"), 0.9)
    link.connected(1.0)
    assert kinds(link.outgoing()) == ["Hello"]
    link.received(WELCOME, 1.0)
    assert kinds(out := link.outgoing()) == ["Log", "Log", "TaskResult", "TaskResult", "Heartbeat", "Ready"]
    assert [message.run_id for message in out if isinstance(message, m.TaskResult)] == ["r2", "r1"]


def test_results_of_an_earlier_process_are_said_again() -> None:
    link = away(results=(result("r7", 3), result("r8", 1)))
    link.connected(0.0)
    (hello,) = link.outgoing()
    assert isinstance(hello, m.Hello)
    assert [receipt.run_id for receipt in hello.held] == ["r7", "r8"]
    link.received(WELCOME, 0.0)
    assert kinds(link.outgoing())[:2] == ["TaskResult", "TaskResult"]
    assert link.received(m.Ack(run_id="r7", attempt=3, verdict="stale", code="STALE_ATTEMPT"), 1.0) == [
        e.ResultSettled("r7", 3, "stale", "STALE_ATTEMPT")
    ]
    assert link.received(m.Ack(run_id="r7", attempt=3), 1.0) == ()
    assert link.unsettled_count == 1


def test_lost_leases_stop_their_runs_at_the_welcome() -> None:
    link = running()
    link.send(log(1), 0.1)
    link.disconnected(0.5)
    link.connected(1.0)
    lost = m.Receipt(run_id="r1", attempt=1, lease_token="t-r1")
    events = link.received(m.Welcome(worker_id="w1", lost=[lost]), 1.0)
    assert events[1:] == [e.Stop("r1", 1, "lost")]
    assert not [message for message in link.outgoing() if isinstance(message, m.Log)]
    assert link.log_room_bytes == Limits().log_window_bytes


def test_stopped_is_kept_for_the_next_connection() -> None:
    link = running()
    link.received(m.Cancel(run_id="r1", attempt=1), 0.2)
    link.disconnected(0.5)
    link.send(m.Stopped(run_id="r1", attempt=1, lease_token="t-r1"), 0.6)
    link.connected(1.0)
    link.outgoing()
    link.received(WELCOME, 1.0)
    assert "Stopped" in kinds(link.outgoing())
