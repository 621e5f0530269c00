"""What other gateways are told of a worker is what it offers now."""

from __future__ import annotations

from typing import cast

import pytest

from taskgate.fleet.holder import STRIKES_OUT, Holder, Seat
from taskgate.fleet.neighbours import Penman
from taskgate.testing.clock import ManualClock


@pytest.fixture
def holder() -> Holder:
    return Holder(
        "w1", cast("Seat", None), instance="i", site_id=None, key_id="k", transport="websocket",
        tasks={"a": frozenset({"2", "1"}), "b": frozenset({"1"})}, labels={}, slots=1, now=0.0,
    )  # fmt: skip


@pytest.fixture
def penman() -> Penman:
    return Penman(ManualClock(), late_after_s=15.0)


def test_a_task_that_was_withdrawn_is_told_no_more(penman: Penman, holder: Holder) -> None:
    assert penman.post(holder).tasks == {"a": ["1", "2"], "b": ["1"]}
    holder.withdraw("b")
    holder.withdraw("never offered")
    assert penman.post(holder).tasks == {"a": ["1", "2"]}


def test_a_task_with_too_many_strikes_is_set_aside_until_one_is_begun(penman: Penman, holder: Holder) -> None:
    struck = [holder.strike("a") for _ in range(STRIKES_OUT)]
    assert struck[-1]
    assert penman.post(holder).set_aside == ["a"]
    holder.forgive("a")
    assert penman.post(holder).set_aside == []
