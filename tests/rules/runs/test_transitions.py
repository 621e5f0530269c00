"""The transition table is what `advance` does: nothing else, and all of it (INV-T5). So is the drawing of it."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from taskgate.runs.happenings import (
    CancelAsked,
    Event,
    Failed,
    HolderLost,
    LeaseExpired,
    Refused,
    Succeeded,
    TimerPassed,
    Undefined,
)
from taskgate.runs.lifecycle import TRANSITIONS
from taskgate.runs.ports import Move
from taskgate.runs.run import ENDED, Run, RunError, Status
from tests.rules.runs.lives import NOW, TWO, decide, leased, queued, renewed

TIMERS = ("start_by_at", "advance_at", "deadline_at")
PAGE = Path(__file__).parents[3] / "docs" / "design" / "run.md"
ARROW = re.compile(r"^\s+(\w+) --> (\w+): (.+)$", re.MULTILINE)

moments = st.one_of(st.none(), st.floats(NOW - 100, NOW + 100))
errors = st.builds(
    RunError,
    code=st.just("BROKEN"),
    retryable=st.booleans(),
    error_class=st.sampled_from(["task", "timeout", "memory", "crash", "lost", "cancelled", "invalid"]),
    retry_at=moments,
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Succeeded, output=st.just(b"1"), digest=st.just("d"), started_at=moments),
    st.builds(Failed, error=errors, digest=st.just("f"), started_at=moments),
    st.builds(LeaseExpired),
    st.builds(HolderLost, reason=st.just("bye"), begun=st.booleans(), started_at=moments),
    st.builds(Refused, reason=st.sampled_from(["busy", "draining", "schema", "unknown_task"])),
    st.builds(CancelAsked),
    st.builds(TimerPassed),
    st.builds(Undefined),
)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Any run that a ledger could show."""
    return shown(
        draw(st.sampled_from(list(Status))),
        position=draw(st.integers(0, 1)),
        counts=(draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(st.integers(0, 9))),
        is_accepted=draw(st.booleans()),
        leased_s=draw(st.floats(0, 60)),
        timers=draw(st.fixed_dictionaries(dict.fromkeys(TIMERS, moments))),
    )


def shown(
    status: Status,
    *,
    position: int,
    counts: tuple[int, int, int],
    is_accepted: bool,
    leased_s: float,
    timers: dict[str, Any],
) -> Run:
    """A run in this state; only the first of the two targets has an `advance_at`."""
    tries, lost_count, unstarted_count = counts
    if status in ENDED:
        return queued(TWO, status=status, ended_at=NOW, result_digest="d")
    if position == 1:
        timers = {**timers, "advance_at": None}
    run = queued(TWO, position=position, tries=tries, lost_count=lost_count, unstarted_count=unstarted_count)
    run = replace(run, **timers)
    if status is Status.SCHEDULED:
        return replace(run, status=status, due_at=NOW + leased_s - 30)
    if status is Status.RUNNING:
        run = leased(run, NOW - leased_s)
        return renewed(run, NOW - leased_s) if is_accepted else run
    return run


@settings(max_examples=1000)
@given(runs(), events)
def test_a_move_is_legal_and_exact(run: Run, event: Event) -> None:
    found = decide(run, event, definition=TWO)
    if isinstance(found, Move):
        assert found.status in TRANSITIONS[run.status][type(event)]
        _guarded(run, found)
        _written(run, found)


def _guarded(run: Run, move: Move) -> None:
    """The guard is exactly what the decision saw."""
    assert move.run_id == run.id
    assert move.from_statuses == {run.status}
    assert move.attempt == run.attempt
    assert move.from_position == run.chain_position
    assert move.token == (run.lease.token if run.lease is not None else None)


def _written(run: Run, move: Move) -> None:
    """What is written is a state that can stand."""
    assert (move.end is not None) is (run.status is Status.RUNNING)
    assert (move.ended_at is not None) is (move.status in ENDED)
    assert (move.due_at is not None) is (move.status is Status.SCHEDULED)
    assert (move.output is not None) is (move.status is Status.SUCCEEDED)
    assert (move.error is not None) is (move.status in ENDED - {Status.SUCCEEDED})
    assert move.result_digest == "" or move.status in (Status.SUCCEEDED, Status.FAILED)
    assert move.chain_position in (run.chain_position, run.chain_position + 1)
    if move.chain_position > run.chain_position:
        assert (move.tries, move.lost_count, move.unstarted_count) == (0, 0, 0)
        assert move.queue != run.queue
    else:
        assert move.queue == run.queue
        assert 0 <= move.tries <= run.tries + 1
        assert move.lost_count <= run.lost_count + 1
    if move.status in ENDED:
        assert (move.due_at, move.start_by_at, move.advance_at) == (None, None, None)
    assert run.started_at is None or move.started_at == run.started_at


def test_every_arrow_of_the_table_can_be_walked() -> None:
    """A transition that nothing reaches is a lie in the table."""
    told: list[Event] = [Succeeded(output=b"1", digest="d"), LeaseExpired(), CancelAsked(), TimerPassed(), Undefined()]
    told += [Failed(error=RunError(code="X", error_class=kind)) for kind in ("task", "crash")]
    told += [
        Failed(error=RunError(code="X", retry_at=NOW)),
        HolderLost(reason="x"),
        HolderLost(reason="x", begun=False),
    ]
    told += [Refused(reason="busy"), Refused(reason="draining")]
    counts = [(tries, lost, unstarted) for tries in (0, 1) for lost in (0, 2) for unstarted in (0, 9)]
    timers: list[dict[str, Any]] = [{}, *({name: NOW} for name in TIMERS)]
    walked = {
        (run.status, type(event), found.status)
        for status, position, is_accepted in product(TRANSITIONS, (0, 1), (False, True))
        for count, passed in product(counts, timers)
        for run in [
            shown(status, position=position, counts=count, is_accepted=is_accepted, leased_s=30.0, timers=passed)
        ]
        for event in told
        if isinstance(found := decide(run, event, definition=TWO), Move)
    }
    arrows = {
        (status, event, target)
        for status, listening in TRANSITIONS.items()
        for event, targets in listening.items()
        for target in targets
    }
    assert walked == arrows


def test_open_states_alone_have_a_way_out() -> None:
    assert set(TRANSITIONS) == set(Status) - ENDED


def test_the_page_draws_the_table() -> None:
    """docs/design/run.md: each arrow carries the events of the table, besides those of the ledger's own verbs."""
    drawn: dict[tuple[str, str], set[str]] = {}
    for source, target, names in ARROW.findall(PAGE.read_text(encoding="utf-8")):
        drawn.setdefault((source, target), set()).update(name.strip() for name in names.split(","))
    wanted: dict[tuple[str, str], set[str]] = {
        ("start", "scheduled"): {"add"},
        ("start", "queued"): {"add"},
        ("start", "running"): {"add with a grant"},
        ("queued", "running"): {"claim"},
        ("running", "running"): {"renew"},
    }
    for status, listening in TRANSITIONS.items():
        for event, targets in listening.items():
            for target in targets:
                wanted.setdefault((status.value, target.value), set()).add(event.__name__)
    assert drawn == wanted
