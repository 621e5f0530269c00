"""The judge of a round: a clean record is found clean, and every rule is seen broken on a doctored one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.nemesis.checking import Attempt, Evidence, Row, Step, Struck, broken

OUTPUT = {"run": "a", "attempt": 2}
LOST = Attempt(number=1, holder="w1", granted_at=10.0, ended_at=16.0, outcome="worker_lost")
WON = Attempt(number=2, holder="w2", granted_at=17.0, ended_at=19.0, outcome="succeeded")
ROW = Row(
    id="a", key="k", status="succeeded", attempt=2, tries=2, lost_count=1, ended_at=19.0, output=OUTPUT,
    attempts=(LOST, WON),
)  # fmt: skip
CANCELLED = Row(
    id="b", key="l", status="cancelled", attempt=0, tries=0, lost_count=0, ended_at=12.0, output=None, attempts=()
)
FROZEN = Struck(action="worker.freeze", target="w2", began_at=11.0, healed_at=15.0)
CUT = Struck(action="wire.stall", target="w1", began_at=11.0, healed_at=15.0)
ENTRIES = [(1, "log", "2:0"), (2, "log", "2:1"), (3, "result", "")]


def entry(kind: str, at: float, **told: Any) -> dict[str, Any]:
    return {"kind": kind, "at": at, **told}


RECORD = [
    entry("submit", 9.0, key="k", status=503, id=""),
    entry("submit", 9.5, key="k", status=202, id="a"),
    entry("submit", 9.6, key="l", status=202, id="b"),
    entry("cancel", 11.9, id="b", status=0, state=None),
    entry("cancel", 12.0, id="b", status=200, state="cancelled"),
    entry("cancel", 20.0, id="a", status=409, state="succeeded"),
    entry("read", 18.0, id="a", status=200, state="running", asked_at=17.9),
    entry("read", 20.0, id="a", status=200, state="succeeded", asked_at=19.9),
    entry("journal", 20.0, id="a", entries=ENTRIES, lines=2, is_whole=True),
]
STEPS = [
    Step(run_id="a", attempt=1, word="start", at=10.1),
    Step(run_id="a", attempt=2, word="start", at=17.1),
    Step(run_id="a", attempt=2, word="end", at=18.9),
]
CLEAN = Evidence(
    record=RECORD,
    steps=STEPS,
    rows={"a": ROW, "b": CANCELLED},
    archived=[("a", "succeeded"), ("b", "cancelled")],
    faults=[CUT, FROZEN],
)


def rowed(**changes: Any) -> Evidence:
    return replace(CLEAN, rows=CLEAN.rows | {"a": replace(ROW, **changes)})


def told(*entries: dict[str, Any]) -> Evidence:
    return replace(CLEAN, record=[*RECORD, *entries])


def stepped(*steps: tuple[int, str, float]) -> Evidence:
    more = [Step(run_id="a", attempt=number, word=word, at=at) for number, word, at in steps]
    return replace(CLEAN, steps=[*STEPS, *more])


def read_as(*entries: tuple[int, str, str]) -> Evidence:
    return told(entry("journal", 20.0, id="a", entries=list(entries), lines=2, is_whole=True))


def test_a_clean_record_is_clean() -> None:
    assert broken(CLEAN) == []


DOCTORED: dict[str, tuple[str, Evidence]] = {
    "an accepted run is not there": ("INV-T1", replace(CLEAN, rows={"b": CANCELLED}, archived=[("b", "cancelled")])),
    "a run never ended": ("INV-T1", rowed(status="queued")),
    "an accepted run is unknown": ("INV-T1", told(entry("read", 20.0, id="a", status=404, state="", asked_at=19.0))),
    "a key was told two ids": ("INV-T3", told(entry("submit", 20.0, key="k", status=202, id="b"))),
    "a key has two rows": ("INV-T3", replace(CLEAN, rows=CLEAN.rows | {"b": replace(CANCELLED, key="k")})),
    "an ended row was written": ("INV-T4", replace(CLEAN, rewritten=["a from 3 to 4"])),
    "another end was seen": (
        "INV-T4",
        told(entry("read", 18.5, id="a", status=200, state="failed", asked_at=18.4)),
    ),
    "an ended run was seen open": (
        "INV-T4",
        told(entry("read", 22.0, id="a", status=200, state="running", asked_at=21.0)),
    ),
    "an attempt began twice": ("INV-T6", stepped((2, "start", 18.0))),
    "an attempt without a lease": ("INV-T6", stepped((7, "start", 18.0))),
    "a success nobody worked for": ("INV-T6", replace(CLEAN, steps=STEPS[:2])),
    "too many losses": ("INV-T6", rowed(lost_count=4)),
    "a loss without a cause": ("G-6", replace(CLEAN, faults=[])),
    "two leases at once": ("INV-F2", rowed(attempts=(replace(LOST, ended_at=17.5), WON))),
    "a lease that was never ended": ("INV-F2", rowed(attempts=(replace(LOST, ended_at=None), WON))),
    "the loser's output": ("INV-F3", rowed(output={"run": "a", "attempt": 1})),
    "another run's output": ("INV-F3", rowed(output={"run": "b", "attempt": 2})),
    "work behind the lease": ("INV-F4", stepped((1, "tick", 19.0))),
    "a granted cancel that did not win": (
        "INV-T9",
        told(entry("cancel", 20.0, id="a", status=200, state="cancelled")),
    ),
    "a refused cancel that names another end": (
        "INV-T9",
        told(entry("cancel", 20.0, id="a", status=409, state="failed")),
    ),
    "cancelled by nobody": ("INV-T9", replace(CLEAN, record=[one for one in RECORD if one["kind"] != "cancel"])),
    "a gap in a journal": ("INV-L1", read_as((1, "log", "2:0"), (3, "log", "2:1"), (4, "result", ""))),
    "an entry twice": ("INV-L1", read_as((1, "log", "2:0"), (1, "log", "2:0"), (2, "log", "2:1"), (3, "result", ""))),
    "lines out of order": ("INV-L1", read_as((1, "log", "2:1"), (2, "log", "2:0"), (3, "result", ""))),
    "a line of the winner is missing": ("INV-L2", read_as((1, "log", "2:0"), (2, "result", ""))),
    "an ended run is not archived": ("archive", replace(CLEAN, archived=[("a", "succeeded")])),
    "archived twice": ("archive", replace(CLEAN, archived=[*CLEAN.archived, ("a", "succeeded")])),
    "archived with another end": ("archive", replace(CLEAN, archived=[("a", "failed"), ("b", "cancelled")])),
    "an answer that nobody may get": ("was answered 500", told(entry("submit", 20.0, key="m", status=500, id=""))),
    "a caller who asked in vain": ("INV-T7", told(entry("given_up", 130.0, key="m"))),
    "nothing accepted for long": (
        "INV-T7",
        replace(
            told(entry("submit", 90.0, key="k", status=202, id="a")),
            faults=[CUT, FROZEN],
        ),
    ),
}


@pytest.mark.parametrize(("named", "evidence"), DOCTORED.values(), ids=DOCTORED.keys())
def test_each_rule_can_be_broken(named: str, evidence: Evidence) -> None:
    assert any(named in text for text in broken(evidence)), broken(evidence)


def test_inv_f4_who_was_frozen_could_not_know() -> None:
    late = replace(STEPS[0], word="tick", at=19.0)
    frozen = replace(FROZEN, target="w1", healed_at=18.9)
    assert broken(replace(CLEAN, steps=[*STEPS, late], faults=[CUT, frozen])) == []
