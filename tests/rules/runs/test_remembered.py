"""Which ended runs are remembered whole, for how long, and that each is handed out once."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from taskgate.runs.happenings import CancelAsked, Event, Failed, Succeeded
from taskgate.runs.run import Run
from taskgate.runs.waiting import OWN_BYTES, Remembered
from tests.rules.runs.lives import ALONE, NOW, accepted, broken, happen

SUCCEEDED = Succeeded(output=b"1", digest="d", started_at=NOW + 1)


def ended(event: Event = SUCCEEDED, run_id: str = "r", **changes: Any) -> Run:
    run, _ = happen(replace(accepted(ALONE), **changes), event, now=NOW + 2)
    return replace(run, id=run_id)


def test_a_run_is_handed_out_once() -> None:
    remembered, run = Remembered(), ended()
    remembered.keep(run)
    assert remembered.take("r") is run
    assert remembered.take("r") is None


@pytest.mark.parametrize(
    "run",
    [
        ended(CancelAsked()),
        ended(Failed(error=broken(retryable=False), digest="f", started_at=NOW + 1)),
        ended(attempt=2),
        accepted(ALONE),
    ],
    ids=["its holder has not stopped yet", "it failed", "earlier attempts are not at hand", "it is open"],
)
def test_what_may_change_or_is_not_whole_is_not_remembered(run: Run) -> None:
    remembered = Remembered()
    remembered.keep(run)
    assert remembered.take(run.id) is None


def test_the_oldest_are_given_up_for_newer_ones() -> None:
    remembered = Remembered(room_bytes=4 * (OWN_BYTES + 2))
    runs = [ended(run_id=str(number)) for number in range(10)]
    for run in [*runs, runs[-1]]:
        remembered.keep(run)
    assert [run.id for run in runs if remembered.take(run.id)] == ["6", "7", "8", "9"]
    for run in runs:
        remembered.keep(run)  # what was handed out has given its room back
    assert [run.id for run in runs if remembered.take(run.id)] == ["6", "7", "8", "9"]


def test_one_that_is_too_large_leaves_nothing_behind() -> None:
    remembered = Remembered(room_bytes=2 * OWN_BYTES)
    remembered.keep(ended(run_id="large", input=bytes(2 * OWN_BYTES)))
    remembered.keep(ended(run_id="small"))
    assert remembered.take("large") is None
    assert remembered.take("small") is not None
