"""The machine that decides what a service says next: every reply it can get, in any order."""

from __future__ import annotations

import logging

from hypothesis import given
from hypothesis import strategies as st

from taskgate.service.announcing import LONGEST_S, Announcer, Reply

OK = Reply(status=200, lease_s=30.0, renew_after_s=10.0, routes=2)
GONE = Reply(status=404, detail="404 NOT_FOUND")
AWAY = Reply(status=0, detail="no answer")
TAKEN = Reply(status=409, detail="409 ROUTE_TAKEN")


def announcer(fraction: float = 1.0) -> Announcer:
    return Announcer(retries=3, delay_s=1.0, fraction=lambda: fraction)


def registered(machine: Announcer, body: bytes = b"one") -> Announcer:
    machine.told("register", body=body, reply=OK)
    return machine


def test_register_once_then_renew() -> None:
    machine = announcer()
    assert machine.next(b"one") == "register"
    outcome = machine.told("register", body=b"one", reply=OK)
    assert (outcome.pause_s, outcome.level, machine.is_registered) == (10.0, logging.INFO, True)
    assert machine.next(b"one") == "renew"
    assert machine.told("renew", body=b"one", reply=OK).text == ""


def test_another_body_is_registered_and_only_then_renewed() -> None:
    machine = registered(announcer())
    assert machine.next(b"two") == "register"
    machine.told("register", body=b"two", reply=OK)
    assert (machine.next(b"two"), machine.next(b"one")) == ("renew", "register")


def test_forgotten_means_register_at_once() -> None:
    machine = registered(announcer())
    assert machine.told("renew", body=b"one", reply=GONE).pause_s == 0.0
    assert (machine.is_registered, machine.next(b"one")) == (False, "register")


def test_quick_tries_then_growing_pauses_with_jitter() -> None:
    machine = announcer()
    pauses = [machine.told("register", body=b"one", reply=AWAY).pause_s for _ in range(9)]
    assert pauses == [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_S, LONGEST_S, LONGEST_S]
    calm = announcer(0.25)
    pauses = [calm.told("register", body=b"one", reply=AWAY).pause_s for _ in range(5)]
    assert pauses == [1.0, 1.0, 0.5, 1.0, 2.0]
    assert announcer(0.0).told("register", body=b"one", reply=AWAY).pause_s == 1.0


def test_a_renewal_that_fails_keeps_the_registration_and_hurries() -> None:
    machine = registered(announcer())
    pauses = [machine.told("renew", body=b"one", reply=AWAY).pause_s for _ in range(9)]
    assert max(pauses) == 10.0
    assert (machine.is_registered, machine.next(b"one"), machine.problem) == (True, "renew", "no answer")
    assert machine.told("renew", body=b"one", reply=OK).level == logging.INFO
    assert machine.problem == ""


def test_what_the_gateway_asks_for_is_waited() -> None:
    limited = Reply(status=429, detail="429", retry_after_s=20.0)
    assert announcer().told("register", body=b"one", reply=limited).pause_s == 20.0
    greedy = Reply(status=503, detail="503", retry_after_s=9e5)
    assert announcer().told("register", body=b"one", reply=greedy).pause_s == 2 * LONGEST_S


def test_the_same_trouble_is_told_once() -> None:
    machine = announcer()
    replies = (TAKEN, TAKEN, AWAY, AWAY, TAKEN)
    levels = [machine.told("register", body=b"one", reply=reply).level for reply in replies]
    assert levels == [logging.ERROR, logging.DEBUG, logging.WARNING, logging.DEBUG, logging.ERROR]


def test_a_registration_without_an_end_is_looked_at_now_and_then() -> None:
    standing = Reply(status=200, lease_s=0.0, renew_after_s=0.0)
    assert announcer().told("register", body=b"one", reply=standing).pause_s == 60.0


REPLIES = st.sampled_from([OK, GONE, AWAY, TAKEN, Reply(status=503, detail="503", retry_after_s=3.0)])


@given(st.lists(st.tuples(REPLIES, st.sampled_from([b"one", b"two"])), max_size=60), st.floats(0.0, 1.0))
def test_any_history(history: list[tuple[Reply, bytes]], fraction: float) -> None:
    """Never a hurry without end, never a pause beyond a minute; what it believes is what it was last told."""
    machine = announcer(fraction)
    at_once = 0
    for reply, body in history:
        verb = machine.next(body)
        outcome = machine.told(verb, body=body, reply=reply)
        at_once = at_once + 1 if outcome.pause_s == 0.0 and fraction > 0 else 0
        assert 0.0 <= outcome.pause_s <= 2 * LONGEST_S
        assert at_once <= 1
        if reply.is_good:
            assert machine.is_registered
            assert machine.next(body) == "renew"
            assert machine.problem == ""
        elif verb == "register":
            assert not machine.is_registered
            assert machine.problem
