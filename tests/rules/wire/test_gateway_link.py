"""The gateway's link alone: who may begin, credit, liveness, bounds (INV-A2, S36)."""

from __future__ import annotations

from math import inf

import msgspec
import pytest

from taskgate.errors import LocalLinkError, RemoteLinkError
from taskgate.wire import gateway_events as e
from taskgate.wire import messages as m
from taskgate.wire.gateway_link import _SAY, _TAKE, GatewayLink
from taskgate.wire.link import GATEWAY_SAYS, WORKER_SAYS, Limits, Phase
from tests.rules.wire.gateway_side import HELLO, R1, SIMPLE, accept, log, opened, result, running, task


def test_every_legal_message_has_its_rule() -> None:
    said: frozenset[type[m.Message]] = frozenset().union(*WORKER_SAYS.values())
    answered: frozenset[type[m.Message]] = frozenset().union(*GATEWAY_SAYS.values())
    assert frozenset(_TAKE) == said
    assert frozenset(_SAY) <= answered
    assert answered - frozenset(_SAY) == {m.LogAck, m.Failure, m.Credential}


@pytest.mark.parametrize("kind", sorted(WORKER_SAYS[Phase.OPEN], key=str))
def test_nothing_comes_before_hello(kind: type[m.Message]) -> None:
    """Frames out of order: refused, and the link is as it was."""
    samples: dict[type[m.Message], m.WorkerMessage] = {
        m.Ready: m.Ready(credit=1), m.Accept: accept(), m.Heartbeat: m.Heartbeat(), m.Log: log(1), m.Bye: m.Bye(),
        m.Refuse: m.Refuse(run_id="r1", attempt=1, lease_token="t"), m.TaskResult: result(), m.Drain: m.Drain(),
        m.Progress: m.Progress(run_id="r1", attempt=1, lease_token="t", seq=1, fraction=0.5),
        m.Stopped: m.Stopped(run_id="r1", attempt=1, lease_token="t"), m.Credential: m.Credential(token="x"),
    }  # fmt: skip
    link = GatewayLink(0.0)
    with pytest.raises(RemoteLinkError):
        link.received(samples[kind], 0.0)
    link.received(HELLO, 0.0)
    with pytest.raises(RemoteLinkError):
        link.received(samples[kind], 0.0)
    assert link.phase is Phase.WELCOMING


def test_hello_comes_once() -> None:
    link = opened()
    with pytest.raises(RemoteLinkError):
        link.received(HELLO, 1.0)


def test_hello_must_come_within_five_seconds() -> None:
    link = GatewayLink(100.0)
    assert link.next_tick_at() == 105.0
    assert not link.tick(104.9)
    assert link.tick(105.0) == [e.WorkerDead("hello")]
    assert link.next_tick_at() == inf


def test_a_judge_may_take_its_time() -> None:
    link = GatewayLink(0.0)
    link.received(HELLO, 4.0)
    assert not link.tick(60.0)
    link.send(m.Welcome(worker_id="w1"), 60.0)
    assert not link.tick(60.0)
    assert link.next_tick_at() == 90.0


@pytest.mark.parametrize("worker_id", ["", " ", "a b", "x" * 129, "../etc", "a\n", "ａ"])
def test_a_worker_needs_a_usable_name(worker_id: str) -> None:
    with pytest.raises(RemoteLinkError) as refusal:
        GatewayLink(0.0).received(m.Hello(worker_id=worker_id, versions=[1]), 0.0)
    assert refusal.value.code == "BAD_WORKER_ID"


def test_hello_may_choose_the_name_only_where_nothing_else_does() -> None:
    """INV-A2: identity comes from the credential and the path, never from the body."""
    link = GatewayLink(0.0)
    link.received(HELLO, 0.0)
    assert link.worker_id == "w1"
    (event,) = GatewayLink(0.0, "w2").received(HELLO, 0.0)
    assert isinstance(event, e.Violation)
    assert event.code == "WRONG_WORKER"


@pytest.mark.parametrize("message", [m.Heartbeat(worker_id="w2"), m.TaskResult(run_id="r1", worker_id="w2")])
@pytest.mark.parametrize("hello", [HELLO, SIMPLE])
def test_a_frame_that_names_another_worker_ends_the_link(message: m.WorkerMessage, hello: m.Hello) -> None:
    link = opened(hello)
    (event,) = link.received(message, 0.0)
    assert isinstance(event, e.Violation)
    with pytest.raises(RemoteLinkError):
        link.received(m.Heartbeat(), 0.0)


def test_a_version_that_nobody_speaks_is_refused() -> None:
    with pytest.raises(RemoteLinkError) as refusal:
        GatewayLink(0.0).received(m.Hello(worker_id="w1", versions=[7, 8]), 0.0)
    assert refusal.value.code == "VERSION_UNSUPPORTED"


def test_room_is_credit_less_what_was_offered() -> None:
    link = opened(credit=2)
    assert link.room == 2
    link.send(task("r1"), 0.0)
    link.send(task("r2"), 0.0)
    with pytest.raises(LocalLinkError):
        link.send(task("r3"), 0.0)
    assert link.received(m.Ready(credit=2), 0.0) == ()
    assert link.received(m.Ready(credit=3), 0.0) == [e.CreditGrew(1)]
    with pytest.raises(RemoteLinkError):
        link.received(m.Ready(credit=1), 0.0)


def test_a_claim_of_a_billion_slots_is_cut() -> None:
    """S36: fake capacity."""
    link = opened(credit=10**9)
    assert link.room == Limits().room


def test_no_offer_twice_none_before_welcome_none_while_draining() -> None:
    link = opened()
    link.send(task(), 0.0)
    with pytest.raises(LocalLinkError):
        link.send(task(), 0.0)
    assert link.received(m.Drain(reason="update"), 0.0) == [e.Draining("update")]
    with pytest.raises(LocalLinkError):
        link.send(task("r2"), 0.0)
    assert link.received(m.Ready(credit=50), 0.0) == ()
    early = GatewayLink(0.0)
    with pytest.raises(LocalLinkError):
        early.send(task(), 0.0)


def test_a_draining_gateway_offers_nothing_more() -> None:
    link = opened()
    link.send(m.Drain(reason="restart", reconnect=True, delay_s=1.0), 0.0)
    assert link.room == 0
    link.received(m.Ready(credit=50), 0.0)
    assert link.room == 0


def test_a_worker_that_says_hello_draining_has_no_room() -> None:
    assert opened(m.Hello(worker_id="w1", versions=[1], draining=True)).room == 0


def test_a_heartbeat_is_echoed_at_once_and_renews_what_it_names() -> None:
    link = running()
    beat = m.Heartbeat(nonce="1.7", held=[R1], load=m.Load(running=1))
    assert link.received(beat, 1.0) == [e.BeatReceived("1.7", [R1], m.Load(running=1))]
    assert link.outgoing() == [m.HeartbeatAck(nonce="1.7")]


def test_a_worker_is_dead_after_thirty_silent_seconds() -> None:
    """Any message is a sign of life; no lease ends by the death of a connection."""
    link = running()
    link.received(log(1), 20.0)
    assert not link.tick(30.0)
    assert link.next_tick_at() == 50.0
    assert link.tick(50.0) == [e.WorkerDead("heartbeat")]
    assert link.phase is Phase.CLOSED
    assert link.room == 0


def test_new_intervals_count_at_once() -> None:
    link = opened()
    link.send(m.Config(heartbeat_s=1.0, dead_after_s=3.0), 1.0)
    assert not link.tick(1.0)
    assert link.tick(3.0) == [e.WorkerDead("heartbeat")]


def test_bye_names_what_is_held() -> None:
    link = running()
    assert link.received(m.Bye(reason="crash"), 1.0) == [e.Left("crash", False, [R1])]
    with pytest.raises(LocalLinkError):
        link.send(m.Ack(run_id="r1", attempt=1), 1.0)


def test_a_fresh_credential_is_handed_on() -> None:
    assert opened().received(m.Credential(token="new"), 1.0) == [e.CredentialOffered("new")]


@pytest.mark.parametrize(
    "bad",
    [
        log(),
        log(*range(1, 1002)),
        log(1, 3),
        log(2, 1),
        log(0),
        log(1, text="x" * (64 * 1024 + 1)),
        msgspec.structs.replace(log(1), stream="progress"),
        m.Progress(run_id="r1", attempt=1, lease_token="t-r1", seq=1, fraction=1.5),
        m.Progress(run_id="r1", attempt=1, lease_token="t-r1", seq=1, fraction=float("nan")),
        m.Progress(run_id="r1", attempt=1, lease_token="t-r1", seq=0, fraction=0.5),
        m.Heartbeat(held=[R1] * 10_001),
    ],
)
def test_out_of_bounds_breaks_the_protocol(bad: m.WorkerMessage) -> None:
    with pytest.raises(RemoteLinkError):
        running().received(bad, 0.0)


def test_a_hello_that_holds_too_much_is_refused() -> None:
    with pytest.raises(RemoteLinkError):
        GatewayLink(0.0).received(m.Hello(worker_id="w1", versions=[1], held=[R1] * 10_001), 0.0)


def test_good_progress_is_handed_on() -> None:
    progress = m.Progress(run_id="r1", attempt=1, lease_token="t-r1", seq=1, fraction=0.5)
    assert running().received(progress, 0.0) == [e.ProgressReceived(progress)]
