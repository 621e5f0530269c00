"""When a request is made again: by what came back, by what it may do, and never beyond the total time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.client.retries import exchange
from taskgate.client.steps import Answer, Lost, Request
from taskgate.errors import Limited, NotFound, TaskgateError, Unavailable
from tests.rules.client.driving import StillClock, answer, patience, play

SURE = Request(method="GET", path="/x")
ONCE = Request(method="POST", path="/x", repeatable=False)
GOOD = answer({})
CUT = Lost(reason="cut")
NEVER_LEFT = Lost(reason="refused", is_sent=False)
UNTRUSTED = Lost(reason="certificate", is_sent=False, is_final=True)


@pytest.mark.parametrize(
    ("request_", "reply", "is_repeated"),
    [
        (SURE, CUT, True),
        (SURE, NEVER_LEFT, True),
        (SURE, UNTRUSTED, False),
        (SURE, answer(status=503), True),
        (SURE, answer(status=502), True),
        (SURE, answer(status=504), True),
        (SURE, answer(status=429), True),
        (SURE, answer(status=500), False),
        (SURE, answer(status=409), False),
        (SURE, answer(status=302), False),
        (ONCE, CUT, False),
        (ONCE, NEVER_LEFT, True),
        (ONCE, answer(status=503), False),
        (ONCE, answer(status=429), True),
    ],
)
def test_what_is_repeated(request_: Request, reply: Answer | Lost, *, is_repeated: bool) -> None:
    clock = StillClock()
    played = play(exchange(request_, patience(clock)), [reply, GOOD], clock)
    assert len(played.requests) == 1 + is_repeated
    assert (played.result is GOOD) is is_repeated
    assert (played.error is None) is is_repeated


@pytest.mark.parametrize(
    ("header", "pause_s"),
    [("7", 8.0), ("0", 0.25), ("Thu, 01 Jan 1970 00:16:50 GMT", 11.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.25)],
)
def test_retry_after_is_a_floor(header: str, pause_s: float) -> None:
    """A number of seconds or a date (the clock stands at 1000); jitter comes on top."""
    clock = StillClock()
    played = play(exchange(SURE, patience(clock)), [answer(status=429, retry_after=header), GOOD], clock)
    assert played.pauses == [pytest.approx(pause_s, abs=0.8)]
    assert played.pauses[0] >= pause_s - 1


def test_what_lies_beyond_the_total_time_is_told_at_once() -> None:
    clock = StillClock()
    played = play(exchange(SURE, patience(clock, total_s=60)), [answer(status=503, retry_after="61")], clock)
    assert isinstance(played.error, Unavailable)
    assert played.error.retry_after_s == 61
    assert played.pauses == []


def test_pauses_double_up_to_a_limit() -> None:
    clock = StillClock()
    played = play(exchange(SURE, patience(clock, total_s=1000)), [*[CUT] * 9, GOOD], clock)
    assert played.pauses == [0.25, 0.5, 1, 2, 4, 8, 10, 10, 10]


@given(
    total_s=st.floats(0.1, 300),
    replies=st.lists(
        st.one_of(
            st.just(CUT),
            st.builds(lambda after: answer(status=503, retry_after=str(after)), st.integers(0, 500)),
            st.just(answer(status=429)),
        ),
        min_size=200,
        max_size=200,
    ),
)
def test_never_longer_than_the_total_time(total_s: float, replies: list[Answer | Lost]) -> None:
    clock = StillClock()
    played = play(exchange(SURE, patience(clock, total_s=total_s)), [*replies, *[answer(status=404)]], clock)
    assert isinstance(played.error, Unavailable | Limited | NotFound | TaskgateError)
    assert sum(played.pauses) <= total_s + 1e-6
