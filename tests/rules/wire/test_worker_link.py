"""The worker's link alone: credit, fences, what is said again, and what it refuses (INV-F4, F1, F20)."""

from __future__ import annotations

from math import inf

import msgspec
import pytest

from taskgate.errors import LeaseLost, LocalLinkError, RemoteLinkError
from taskgate.wire import messages as m
from taskgate.wire import worker_events as e
from taskgate.wire.link import GATEWAY_SAYS, WORKER_SAYS, Limits, Phase
from taskgate.wire.worker_link import _SAY, _TAKE, WorkerLink

HELLO = m.Hello(worker_id="w1", instance="i1", versions=[1], capabilities=["work"], slots=2)
WELCOME = m.Welcome(worker_id="w1")


def away(*, capacity: int = 2, results: tuple[m.TaskResult, ...] = (), limits: Limits | None = None) -> WorkerLink:
    return WorkerLink(HELLO, capacity=capacity, results=results, limits=limits, chance=lambda: 0.5)


def opened(link: WorkerLink | None = None, now: float = 0.0, welcome: m.Welcome = WELCOME) -> WorkerLink:
    """A link whose connection is open, with its first words already sent."""
    link = link or away()
    link.connected(now)
    link.outgoing()
    link.received(welcome, now)
    link.tick(now)
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


def accept(run_id: str = "r1", attempt: int = 1) -> m.Accept:
    return m.Accept(run_id=run_id, attempt=attempt, lease_token=f"t-{run_id}")


def result(run_id: str = "r1", attempt: int = 1, output: bytes = b"1") -> m.TaskResult:
    return m.TaskResult(run_id=run_id, attempt=attempt, lease_token=f"t-{run_id}", result=msgspec.Raw(output))


def log(first: int, count: int = 1, *, run_id: str = "r1") -> m.Log:
    lines = [m.LogLine(seq=seq, text=f"line {seq}") for seq in range(first, first + count)]
    return m.Log(run_id=run_id, attempt=1, lease_token=f"t-{run_id}", lines=lines)


def running(now: float = 0.0) -> WorkerLink:
    link = opened(now=now)
    link.received(task(), now)
    link.send(accept(), now)
    link.outgoing()
    return link


def kinds(messages: list[m.WorkerMessage]) -> list[str]:
    return [type(message).__name__ for message in messages]


# ---------------------------------------------------------------- the table


def test_every_legal_message_has_its_rule() -> None:
    everything: frozenset[type[m.Message]] = frozenset().union(*GATEWAY_SAYS.values())
    said: frozenset[type[m.Message]] = frozenset().union(*WORKER_SAYS.values())
    assert frozenset(_TAKE) == everything
    assert frozenset(_SAY) | {m.Hello, m.Ready, m.Heartbeat} == said


@pytest.mark.parametrize("kind", sorted(GATEWAY_SAYS[Phase.OPEN] | {m.Welcome}, key=str))
def test_nothing_but_welcome_or_failure_answers_hello(kind: type[m.Message]) -> None:
    """Frames out of order: refused, and the link is as it was."""
    samples: dict[type[m.Message], m.GatewayMessage] = {
        m.Welcome: WELCOME, m.Task: task(), m.HeartbeatAck: m.HeartbeatAck(), m.Config: m.Config(), m.Drain: m.Drain(),
        m.LogAck: m.LogAck(run_id="r1", attempt=1, stream="log", seq=1), m.Ack: m.Ack(run_id="r1", attempt=1),
        m.Cancel: m.Cancel(run_id="r1", attempt=1), m.Failure: m.Failure(code="X"),
    }  # fmt: skip
    link = away()
    with pytest.raises(RemoteLinkError):
        link.received(samples[kind], 0.0)
    link.connected(0.0)
    if kind in (m.Welcome, m.Failure):
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


# ---------------------------------------------------------------- credit


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


# ---------------------------------------------------------------- offers


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


# ---------------------------------------------------------------- fences and heartbeats


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


# ---------------------------------------------------------------- over connections


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


# ---------------------------------------------------------------- stopping


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


# ---------------------------------------------------------------- results, logs and leaving


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
