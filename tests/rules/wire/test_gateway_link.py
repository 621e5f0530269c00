"""The gateway's link alone: who may say what, simple clients, bounds, stale receipts (INV-F1, INV-A2)."""

from __future__ import annotations

from math import inf

import msgspec
import pytest

from taskgate.errors import LocalLinkError, RemoteLinkError
from taskgate.wire import gateway_events as e
from taskgate.wire import messages as m
from taskgate.wire.gateway_link import _SAY, _TAKE, GatewayLink
from taskgate.wire.link import GATEWAY_SAYS, WORKER_SAYS, Limits, Phase

HELLO = m.Hello(worker_id="w1", instance="i1", versions=[1], capabilities=["work"])
SIMPLE = m.Hello(worker_id="w1", capabilities=["work"])
R1 = m.Receipt(run_id="r1", attempt=1, lease_token="t-r1")


def opened(
    hello: m.Hello = HELLO, *, credit: int = 10, limits: Limits | None = None, lost: list[m.Receipt] | None = None
) -> GatewayLink:
    """A link whose worker was welcomed at 0."""
    link = GatewayLink(0.0, "w1", limits=limits)
    link.received(hello, 0.0)
    link.send(m.Welcome(worker_id="w1", lost=lost or []), 0.0)
    if hello.versions:
        link.received(m.Ready(credit=credit), 0.0)
    link.outgoing()
    return link


def task(run_id: str = "r1", attempt: int = 1) -> m.Task:
    return m.Task(
        run_id=run_id,
        tracking_id=run_id,
        attempt=attempt,
        lease_token=f"t-{run_id}",
        capability="work",
        payload=msgspec.Raw(b"{}"),
    )


def accept(run_id: str = "r1", token: str = "") -> m.Accept:
    return m.Accept(run_id=run_id, attempt=1, lease_token=token or f"t-{run_id}")


def result(run_id: str = "r1", token: str = "") -> m.TaskResult:
    return m.TaskResult(run_id=run_id, attempt=1, lease_token=token or f"t-{run_id}", result=msgspec.Raw(b"1"))


def log(*seqs: int, token: str = "t-r1", text: str = "x") -> m.Log:
    return m.Log(run_id="r1", attempt=1, lease_token=token, lines=[m.LogLine(seq=seq, text=text) for seq in seqs])


def running() -> GatewayLink:
    link = opened()
    link.send(task(), 0.0)
    link.received(accept(), 0.0)
    link.outgoing()
    return link


# ---------------------------------------------------------------- the beginning


def test_every_legal_message_has_its_rule() -> None:
    said: frozenset[type[m.Message]] = frozenset().union(*WORKER_SAYS.values())
    answered: frozenset[type[m.Message]] = frozenset().union(*GATEWAY_SAYS.values())
    assert frozenset(_TAKE) == said
    assert frozenset(_SAY) <= answered
    assert answered - frozenset(_SAY) == {m.LogAck, m.Failure}


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


# ---------------------------------------------------------------- credit and offers


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


# ---------------------------------------------------------------- a run


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


# ---------------------------------------------------------------- heartbeats and death


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


# ---------------------------------------------------------------- bounds


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


# ---------------------------------------------------------------- simple clients


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
