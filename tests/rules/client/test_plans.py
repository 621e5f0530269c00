"""Plans without I/O: what is asked, when the waiting ends, how batches are cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.client import plans
from taskgate.client.requests import quoted, segment
from taskgate.client.steps import Emit, Send
from taskgate.errors import InvalidInput, NotNow, RemoteLinkError
from tests.rules.client.driving import StillClock, answer, patience, play, run


def test_one_key_for_all_tries_of_a_submit() -> None:
    """INV-T3"""
    clock = StillClock()
    plan = plans.submit("t", {"a": 1}, key=None, options={}, patience=patience(clock))
    played = play(plan, [answer(status=503), answer(status=503), answer(run())], clock)
    assert len({(request.headers["Idempotency-Key"], request.body) for request in played.requests}) == 1
    assert played.result.id == "run-1"


def test_a_call_waits_in_the_submit_and_then_on_its_own() -> None:
    clock = StillClock()
    replies = [answer(run()), answer({"runs": []}), answer({"runs": [run(status="succeeded", output=5)]})]
    plan = plans.call("t", 1, key=None, options={}, patience=patience(clock), wait_s=None)
    played = play(plan, replies, clock)
    assert played.result.outcome() == 5
    assert [request.headers.get("Prefer") for request in played.requests] == ["wait=25", None, None]
    assert all(request.answer_s and request.answer_s > 25 for request in played.requests)


def test_a_wait_ends_in_time() -> None:
    clock = StillClock()

    def replies() -> Any:
        while True:
            clock.at += 20
            yield answer({"runs": []})

    played = play(plans.wait("run-1", 50.0, patience=patience(clock)), replies(), clock)
    assert isinstance(played.error, NotNow)
    assert played.error.code == "STILL_RUNNING"
    assert [b'"timeout_s":%s' % text in request.body for request, text in zip(
        played.requests, [b"25.0", b"25.0", b"10.0", b"0.0"], strict=True
    )] == [True] * 4  # fmt: skip


def test_of_many_runs_each_is_watched_in_turn() -> None:
    """Only the very last of 2,500 ends: windows of 1,000 move on until it is in one."""
    clock = StillClock()
    names = [f"run-{number}" for number in range(2500)]

    plan = plans.as_completed(names, None, patience=patience(clock))
    step, asked_count = next(plan), 0
    while not isinstance(step, Emit):
        assert isinstance(step, Send)
        asked_count += 1
        ended = [run(names[-1], "succeeded")] if names[-1].encode() in step.request.body else []
        step = plan.send(answer({"runs": [run("a-stranger", "succeeded"), *ended]}))
    plan.close()
    plan.close()
    assert step.item.id == names[-1]
    assert asked_count == 3


def test_many_ends_are_gathered_and_few_are_not() -> None:
    """A look at a thousand runs for every single end would keep the gateway from doing them."""
    clock = StillClock()
    names = [f"run-{number}" for number in range(1000)]

    def replies() -> Any:
        left, taken_at = list(names), clock.at
        while left:  # 500 runs end per second
            count = max(1, int((clock.at - taken_at) * 500))
            taken_at = clock.at
            yield answer({"runs": [run(name, "succeeded") for name in left[:count]]})
            left = left[count:]

    played = play(plans.as_completed(names, None, patience=patience(clock)), replies(), clock)
    assert [state.id for state in played.items] == names
    assert sum(request.body.count(b"run-") for request in played.requests) < 80_000, "one by one it is 500,500"
    assert max(played.pauses) <= 0.05
    assert min(played.pauses) < 0.0015


def test_verdicts_must_match_the_items() -> None:
    clock = StillClock()
    plan = plans.submit_many("t", [1, 2], key=None, options={}, patience=patience(clock))
    assert isinstance(play(plan, [answer({"items": [{"status": 202, "run": run()}]})], clock).error, RemoteLinkError)


@given(sizes=st.lists(st.integers(0, 3 << 20), max_size=8), count=st.integers(0, 2100))
def test_batches_hold_everything_once_within_their_limits(sizes: list[int], count: int) -> None:
    values = ["x" * size for size in sizes] + [""] * count
    batches = list(plans._batches(values, "k", {}))
    assert sum(map(len, batches)) == len(values)
    for batch in batches:
        assert 1 <= len(batch) <= plans.BATCH_COUNT
        assert len(batch) == 1 or sum(len(bytes(item)) for item in batch) <= plans.BATCH_BYTES


def test_a_batch_of_nothing_asks_nothing() -> None:
    clock = StillClock()
    assert play(plans.submit_many("t", [], key=None, options={}, patience=patience(clock)), [], clock).requests == []


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_is_never_a_step_through_the_tree(name: str) -> None:
    """S9"""
    with pytest.raises(InvalidInput):
        segment(name)


@given(st.text(min_size=1))
def test_any_other_name_is_one_segment(name: str) -> None:
    if name not in (".", ".."):
        try:
            found = segment(name)
        except UnicodeEncodeError:
            return
        assert found.isascii()
        assert not set(found) & set("/?#\\ ")


@pytest.mark.parametrize("key", ["", "a\nb", "ä", "x" * 256, "\x00"])
def test_a_key_that_is_no_header_is_refused(key: str) -> None:
    """S17"""
    with pytest.raises(InvalidInput):
        quoted(key)
