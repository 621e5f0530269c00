"""Runs at the gateway's link: receipts, repeats, orders to stop, simple clients (INV-F1, F20)."""

from __future__ import annotations

import msgspec
import pytest

from taskgate.errors import RemoteLinkError
from taskgate.wire import gateway_events as e
from taskgate.wire import messages as m
from taskgate.wire.gateway_link import GatewayLink
from tests.rules.wire.gateway_side import R1, SIMPLE, accept, log, opened, result, running, task


def test_the_life_of_a_run() -> None:
    link = opened()
    assert link.send(task(), 0.0) == ()
    assert link.held() == [R1]
    assert link.received(accept(), 0.0) == [e.Accepted(accept())]
    assert link.received(log(1, 2), 0.0) == [e.LogsReceived(log(1, 2))]
    assert link.received(result(), 0.0) == [e.ResultReceived(result())]
    assert link.held() == []
    link.send(m.Ack(run_id="r1", attempt=1), 0.0)
    assert [type(message) for message in link.outgoing()] == [m.Task, m.Ack]
    assert link.outgoing() == []


def test_a_refused_offer_is_held_no_more() -> None:
    link = opened()
    link.send(task(), 0.0)
    refuse = m.Refuse(run_id="r1", attempt=1, lease_token="t-r1")
    assert link.received(refuse, 0.0) == [e.Refused(refuse)]
    assert link.held() == []
    assert link.received(refuse, 0.0) == ()


def test_what_does_not_fit_the_run_breaks_the_protocol() -> None:
    link = opened()
    link.send(task(), 0.0)
    for message in (result(), log(1)):
        with pytest.raises(RemoteLinkError):
            link.received(message, 0.0)
    link.received(accept(), 0.0)
    with pytest.raises(RemoteLinkError):
        link.received(accept(), 0.0)
    with pytest.raises(RemoteLinkError):
        link.received(m.Refuse(run_id="r1", attempt=1, lease_token="t-r1"), 0.0)


@pytest.mark.parametrize("message", [accept(token="forged"), accept("r9"), log(1, token="forged")])
def test_a_stale_or_foreign_receipt_is_told_to_stop_and_changes_nothing(message: m.WorkerMessage) -> None:
    """INV-F1: also told only once, so that a stubborn worker costs nothing."""
    link = running() if isinstance(message, m.Log) else opened()
    if not isinstance(message, m.Log):
        link.send(task(), 0.0)
        link.outgoing()
    held = link.held()
    assert link.received(message, 0.0) == ()
    assert link.received(message, 0.0) == ()
    assert link.outgoing() == [m.Cancel(run_id=message.run_id, attempt=1, reason="lost")]  # type: ignore[union-attr]
    assert link.held() == held


def test_a_result_is_the_ledgers_to_judge_even_if_unknown_here() -> None:
    link = opened()
    assert link.received(result("r9"), 0.0) == [e.ResultReceived(result("r9"))]
    with pytest.raises(RemoteLinkError):
        link.received(m.TaskResult(run_id="r9"), 0.0)


def test_a_result_said_again_is_handed_on_again() -> None:
    """F20: whether it is a repeat is the ledger's to say."""
    link = running()
    for _ in range(2):
        assert link.received(result(), 0.0) == [e.ResultReceived(result())]
    link.send(m.Ack(run_id="r1", attempt=1), 0.0)
    assert link.received(result(), 0.0) == [e.ResultReceived(result())]


def test_runs_of_an_earlier_connection_go_on() -> None:
    link = opened(m.Hello(worker_id="w1", versions=[1], held=[R1]))
    assert link.received(log(4), 0.0) == [e.LogsReceived(log(4))]
    assert link.received(result(), 0.0) == [e.ResultReceived(result())]


def test_runs_that_the_welcome_calls_lost_do_not() -> None:
    link = opened(m.Hello(worker_id="w1", versions=[1], held=[R1]), lost=[R1])
    assert link.received(log(4), 0.0) == ()
    assert link.outgoing() == [m.Cancel(run_id="r1", attempt=1, reason="lost")]


@pytest.mark.parametrize("order", [m.Cancel(run_id="r1", attempt=1), m.HeartbeatAck(nonce="1", stop=[R1])])
def test_a_run_that_is_being_stopped_writes_nothing_more(order: m.GatewayMessage) -> None:
    link = running()
    link.send(order, 0.0)
    assert link.received(log(1), 0.0) == ()
    assert link.held() == [R1]
    stopped = m.Stopped(run_id="r1", attempt=1, lease_token="t-r1")
    assert link.received(stopped, 0.0) == [e.StoppedReported(stopped)]
    assert link.held() == []


def test_an_accept_that_crosses_a_cancel_starts_nothing() -> None:
    link = opened()
    link.send(task(), 0.0)
    link.send(m.Cancel(run_id="r1", attempt=1), 0.0)
    assert link.received(accept(), 0.0) == ()
    assert link.received(result(), 0.0) == [e.ResultReceived(result())]


def test_a_simple_client_does_one_run_at_a_time() -> None:
    link = GatewayLink(0.0, "w1")
    assert link.received(SIMPLE, 0.0) == [e.Helloed(SIMPLE, True)]
    assert link.received(m.Heartbeat(), 0.0) == ()
    assert link.send(m.Welcome(worker_id="w1"), 0.0) == [e.CreditGrew(1)]
    assert link.send(task(), 0.0) == [e.Accepted(accept())]
    assert link.room == 0
    assert link.received(m.Heartbeat(), 1.0) == [e.BeatReceived("", [R1], None)]
    said = m.TaskResult(tracking_id="r1", result=msgspec.Raw(b"5"))
    whole = m.TaskResult(run_id="r1", tracking_id="r1", attempt=1, lease_token="t-r1", result=msgspec.Raw(b"5"))
    events = link.received(said, 2.0)
    assert msgspec.json.encode(events[0].result) == msgspec.json.encode(whole)  # type: ignore[attr-defined]
    assert events[1:] == [e.CreditGrew(1)]
    assert link.send(task("r2"), 3.0) == [e.Accepted(accept("r2"))]


def test_a_simple_client_answers_only_what_it_was_given() -> None:
    link = opened(SIMPLE)
    link.send(task(), 0.0)
    link.outgoing()
    assert link.received(m.TaskResult(tracking_id="r9"), 0.0) == ()
    assert link.outgoing() == [m.Failure(code="STALE_ATTEMPT", detail="this run is not held here", run_id="r9")]
    assert link.received(m.TaskResult(run_id="r1"), 0.0)
    assert link.received(m.TaskResult(run_id="r1"), 0.0) == ()
