"""The worker's link alone: what it may say when, credit, offers, and what it says about runs (INV-F1)."""

from __future__ import annotations

from math import inf

import pytest

from taskgate.errors import LeaseLost, LocalLinkError, RemoteLinkError
from taskgate.wire import messages as m
from taskgate.wire import worker_events as e
from taskgate.wire.link import GATEWAY_SAYS, WORKER_SAYS, Limits, Phase
from taskgate.wire.worker_link import _SAY, _TAKE, WorkerLink
from tests.rules.wire.worker_side import HELLO, WELCOME, accept, away, kinds, log, opened, result, running, task


def test_every_legal_message_has_its_rule() -> None:
    everything: frozenset[type[m.Message]] = frozenset().union(*GATEWAY_SAYS.values())
    said: frozenset[type[m.Message]] = frozenset().union(*WORKER_SAYS.values())
    assert frozenset(_TAKE) == everything
    assert frozenset(_SAY) | {m.Hello, m.Ready, m.Heartbeat} == said


@pytest.mark.parametrize("kind", sorted(GATEWAY_SAYS[Phase.OPEN] | {m.Welcome}, key=str))
def test_nothing_but_a_welcome_a_failure_or_a_request_to_come_later_answers_hello(kind: type[m.Message]) -> None:
    """Frames out of order: refused, and the link is as it was."""
    samples: dict[type[m.Message], m.GatewayMessage] = {
        m.Welcome: WELCOME, m.Task: task(), m.HeartbeatAck: m.HeartbeatAck(), m.Config: m.Config(), m.Drain: m.Drain(),
        m.LogAck: m.LogAck(run_id="r1", attempt=1, stream="log", seq=1), m.Ack: m.Ack(run_id="r1", attempt=1),
        m.Cancel: m.Cancel(run_id="r1", attempt=1), m.Failure: m.Failure(code="X"),
        m.Credential: m.Credential(token="t"),
    }  # fmt: skip
    link = away()
    with pytest.raises(RemoteLinkError):
        link.received(samples[kind], 0.0)
    link.connected(0.0)
    if kind in (m.Welcome, m.Failure, m.Drain):
        link.received(samples[kind], 0.0)
    else:
        with pytest.raises(RemoteLinkError):
            link.received(samples[kind], 0.0)
        assert link.phase is Phase.WELCOMING


def test_a_shell_may_not_say_what_is_the_links_own() -> None:
    link = opened()
    for message in (HELLO, m.Ready(credit=5), m.Heartbeat(nonce="1")):
        with pytest.raises(LocalLinkError):
            link.send(message, 0.0)
    with pytest.raises(LocalLinkError):
        link.connected(0.0)


def test_a_link_offers_the_version_it_speaks() -> None:
    with pytest.raises(LocalLinkError):
        WorkerLink(m.Hello(worker_id="w1"), capacity=1)
    link = away()
    link.connected(0.0)
    with pytest.raises(RemoteLinkError, match="version 9"):
        link.received(m.Welcome(worker_id="w1", version=9), 0.0)


def test_credit_is_the_total_of_offers_since_hello() -> None:
    link = away(capacity=3)
    link.connected(0.0)
    link.outgoing()
    link.received(WELCOME, 0.0)
    assert link.outgoing() == [m.Ready(credit=3)]
    for run_id in ("r1", "r2", "r3"):
        link.received(task(run_id), 0.0)
        link.send(accept(run_id), 0.0)
    assert kinds(link.outgoing()) == ["Accept"] * 3
    link.send(result("r1"), 0.0)
    link.send(result("r3"), 0.0)
    assert kinds(out := link.outgoing()) == ["TaskResult", "TaskResult", "Ready"]
    assert out[-1] == m.Ready(credit=5)


def test_credit_begins_anew_with_each_connection_and_counts_what_still_runs() -> None:
    link = running()
    link.disconnected(1.0)
    link.connected(2.0)
    link.outgoing()
    link.received(WELCOME, 2.0)
    assert link.outgoing()[-1] == m.Ready(credit=1)


def test_more_offers_than_credit_break_the_protocol() -> None:
    link = opened()
    link.received(task("r1"), 0.0)
    link.received(task("r2"), 0.0)
    with pytest.raises(RemoteLinkError, match="credit"):
        link.received(task("r3"), 0.0)


def test_an_offer_made_twice_breaks_the_protocol() -> None:
    link = opened(away(capacity=3))
    link.received(task(), 0.0)
    with pytest.raises(RemoteLinkError, match="twice"):
        link.received(task(), 0.0)


def test_no_credit_while_too_many_results_are_unsettled() -> None:
    """Bounds what a worker must keep, and its next hello."""
    link = opened(away(capacity=1, limits=Limits(unsettled_count=1)))
    link.received(task(), 0.0)
    link.send(accept(), 0.0)
    link.send(result(), 0.0)
    assert kinds(link.outgoing()) == ["Accept", "TaskResult"]
    link.received(m.Ack(run_id="r1", attempt=1), 0.0)
    assert link.outgoing() == [m.Ready(credit=2)]


def test_a_draining_worker_takes_nothing() -> None:
    link = opened()
    link.send(m.Drain(reason="bye"), 0.0)
    assert link.outgoing() == [m.Drain(reason="bye")]
    assert link.received(task(), 0.0) == ()
    assert link.outgoing() == [m.Refuse(run_id="r1", attempt=1, lease_token="t-r1", reason="draining")]
    link.disconnected(1.0)
    link.connected(1.0)
    (hello,) = link.outgoing()
    assert isinstance(hello, m.Hello)
    assert hello.draining


def test_a_draining_gateway_gets_no_more_credit() -> None:
    link = opened(away(capacity=1))
    link.received(task(), 0.0)
    assert link.received(m.Drain(reason="restart", reconnect=True, delay_s=2.0), 0.0) == [
        e.DrainAsked("restart", True, 2.0)
    ]
    link.send(accept(), 0.0)
    link.send(result(), 0.0)
    assert kinds(link.outgoing()) == ["Accept", "TaskResult"]


def test_an_offer_not_begun_within_a_second_goes_back_as_busy() -> None:
    link = opened()
    link.received(task(), 5.0)
    assert link.next_tick_at() <= 6.0
    assert not link.tick(5.99)
    assert link.tick(6.01) == [e.OfferExpired("r1", 1, "busy")]
    assert m.Refuse(run_id="r1", attempt=1, lease_token="t-r1", reason="busy") in link.outgoing()
    with pytest.raises(LeaseLost):
        link.send(accept(), 6.02)


def test_an_offer_is_never_begun_past_its_fence_even_if_nobody_ticked() -> None:
    """INV-F4: a process that was stopped for a while wakes up and goes on where it was."""
    link = opened()
    link.received(task(), 5.0)
    with pytest.raises(LeaseLost):
        link.send(accept(), 9.0)


def test_refusing_what_has_expired_already_is_no_mistake() -> None:
    link = opened()
    link.received(task(), 0.0)
    link.tick(1.5)
    link.outgoing()
    link.send(m.Refuse(run_id="r1", attempt=1, lease_token="t-r1"), 1.6)
    assert link.outgoing() == []


def test_a_result_needs_a_begun_run() -> None:
    link = opened()
    with pytest.raises(LocalLinkError):
        link.send(result(), 0.0)
    link.received(task(), 0.0)
    with pytest.raises(LocalLinkError):
        link.send(result(), 0.0)
    link.send(accept(), 0.0)
    link.send(result(), 0.0)
    with pytest.raises(LocalLinkError):
        link.send(result(), 0.0)
    with pytest.raises(LocalLinkError):
        link.send(log(1), 0.0)


def test_too_large_an_output_fails_the_run_and_the_link_lives_on() -> None:
    link = opened(welcome=m.Welcome(worker_id="w1", max_output_bytes=10))
    link.received(task("r1"), 0.0)
    link.received(task("r2"), 0.0)
    for run_id, output in (("r1", b'"12345678"'), ("r2", b'"123456789"')):
        link.send(accept(run_id), 0.0)
        link.send(result(run_id, output=output), 0.0)
    first, second = [message for message in link.outgoing() if isinstance(message, m.TaskResult)]
    assert (first.status, bytes(first.result)) == ("ok", b'"12345678"')
    assert (second.status, second.error_code, second.retryable) == ("error", "OUTPUT_TOO_LARGE", False)
    assert bytes(second.result) == b"null"


def test_durable_lines_make_room() -> None:
    link = opened(away(limits=Limits(log_window_bytes=100)))
    link.received(task(), 0.0)
    link.send(accept(), 0.0)
    link.send(log(1, 2), 0.0)
    assert link.log_room_bytes < 0
    with pytest.raises(LocalLinkError) as refusal:
        link.send(log(3), 0.0)
    assert refusal.value.code == "LOG_WINDOW_FULL"
    assert link.received(m.LogAck(run_id="r1", attempt=1, stream="log", seq=2), 0.1) == [
        e.LogsDurable("r1", 1, "log", 2)
    ]
    assert link.log_room_bytes == 100
    link.send(log(3), 0.2)


def test_bye_is_the_last_word() -> None:
    link = opened()
    link.send(m.Bye(reason="done", drained=True), 0.0)
    assert link.outgoing() == [m.Bye(reason="done", drained=True)]
    assert link.next_tick_at() == inf
    with pytest.raises(LocalLinkError):
        link.send(m.Credential(token="x"), 0.0)
    with pytest.raises(RemoteLinkError):
        link.received(task(), 0.0)
    link.disconnected(1.0)
    with pytest.raises(LocalLinkError):
        link.connected(2.0)


def test_failures_of_the_gateway_are_told() -> None:
    link = away()
    link.connected(0.0)
    assert link.received(m.Failure(code="FORBIDDEN", detail="no"), 0.0) == [e.GatewayFailed("FORBIDDEN", "no", "")]
