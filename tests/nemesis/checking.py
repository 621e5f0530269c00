"""Judges a round by what was seen from outside: pure functions from evidence to broken promises.

The evidence: what the callers were told, what the tasks wrote into their ledger, which faults struck when, and the
rows of the database when all had become quiet. The product's own counters and logs are no evidence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

ENDED = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
REFUSALS = frozenset({0, 503})  # 0: no answer came
MACHINE_S = 1.5  # what a busy machine may add
TRIES, LOSSES = 4, 3
LEASE_S = 6.0
PROGRESS_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One row of the attempts of a run."""

    number: int
    holder: str
    granted_at: float
    ended_at: float | None
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run as the database has it in the end."""

    id: str
    key: str
    status: str
    attempt: int
    tries: int
    lost_count: int
    ended_at: float | None
    output: Any
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the tasks' ledger."""

    run_id: str
    attempt: int
    word: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """A fault as it happened."""

    action: str
    target: str
    began_at: float
    healed_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a round left. `rewritten`: rows of ended runs that were changed, as a trigger noted them."""

    record: list[dict[str, Any]]
    steps: list[Step]
    rows: dict[str, Row]
    archived: list[tuple[str, str]]
    rewritten: list[str] = field(default_factory=list)
    faults: list[Struck] = field(default_factory=list)

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        return (entry for entry in self.record if entry["kind"] == kind)


def lost(evidence: Evidence) -> Iterator[str]:
    """INV-T1: what was accepted is there, and has ended."""
    for run_id in {entry["id"] for entry in evidence.of("submit") if entry["id"]}:
        row = evidence.rows.get(run_id)
        if row is None:
            yield f"INV-T1 {run_id} was accepted and is not there"
        elif row.status not in ENDED:
            yield f"INV-T1 {run_id} never ended: {row.status}"


def doubled(evidence: Evidence) -> Iterator[str]:
    """INV-T3: one key, one run."""
    ids: dict[str, set[str]] = defaultdict(set)
    for entry in evidence.of("submit"):
        if entry["id"]:
            ids[entry["key"]].add(entry["id"])
    for row in evidence.rows.values():
        ids[row.key].add(row.id)
    yield from (f"INV-T3 key {key} is {sorted(found)}" for key, found in ids.items() if len(found) > 1)


def reopened(evidence: Evidence) -> Iterator[str]:
    """INV-T4, INV-T5: an end is for ever, and whoever saw one saw the one that stays."""
    yield from (f"INV-T4 an ended run was changed: {text}" for text in evidence.rewritten)
    for entry in evidence.of("read"):
        row = evidence.rows.get(entry["id"])
        if entry["status"] == 404:
            yield f"INV-T1 {entry['id']} was said to be unknown"
        elif entry["state"] in ENDED and row is not None and entry["state"] != row.status:
            yield f"INV-T4 {row.id} was {entry['state']} and is {row.status}"
    seen: dict[str, float] = {}
    for entry in evidence.of("read"):
        if entry["state"] in ENDED:
            seen[entry["id"]] = min(entry["at"], seen.get(entry["id"], entry["at"]))
    for entry in evidence.of("read"):
        if entry["state"] and entry["state"] not in ENDED and entry["asked_at"] > seen.get(entry["id"], float("inf")):
            yield f"INV-T4 {entry['id']} was {entry['state']} after it had ended"


def executions(evidence: Evidence) -> Iterator[str]:
    """INV-T6: no attempt begins twice or without a lease, a success was worked for, tries are bounded."""
    starts = Counter((step.run_id, step.attempt) for step in evidence.steps if step.word == "start")
    done = {(step.run_id, step.attempt) for step in evidence.steps if step.word == "end"}
    yield from (
        f"INV-T6 {run} attempt {number} began {count} times" for (run, number), count in starts.items() if count > 1
    )
    for run_id, number in starts:
        row = evidence.rows.get(run_id)
        if row is None or number not in {attempt.number for attempt in row.attempts}:
            yield f"INV-T6 {run_id} attempt {number} was begun without a lease"
    for row in evidence.rows.values():
        if row.status == "succeeded" and (row.id, row.attempt) not in done:
            yield f"INV-T6 {row.id} succeeded and nobody did it"
        if row.tries > TRIES + LOSSES or row.lost_count > LOSSES:
            yield f"INV-T6 {row.id} has {row.tries} tries and {row.lost_count} losses"


def causeless(evidence: Evidence) -> Iterator[str]:
    """G-6: an attempt is lost only where something was broken shortly before."""
    for row in evidence.rows.values():
        for attempt in row.attempts:
            until = attempt.ended_at or float("inf")
            if attempt.outcome in ("worker_lost", "not_started") and not any(
                fault.began_at <= until + MACHINE_S and fault.healed_at >= attempt.granted_at - 2 * LEASE_S
                for fault in evidence.faults
            ):
                yield f"G-6 {row.id} attempt {attempt.number} was {attempt.outcome} with nothing broken"


def overlapping(evidence: Evidence) -> Iterator[str]:
    """INV-F2: at most one lease of a run at any moment, numbers that grow."""
    for row in evidence.rows.values():
        for earlier, later in pairwise(row.attempts):
            if earlier.ended_at is None or earlier.ended_at > later.granted_at or earlier.number >= later.number:
                yield f"INV-F2 {row.id} attempts {earlier.number} and {later.number} were held at once"


def stale(evidence: Evidence) -> Iterator[str]:
    """INV-F3: the output is that of the last attempt."""
    for row in evidence.rows.values():
        if row.status == "succeeded" and row.output != {"run": row.id, "attempt": row.attempt}:
            yield f"INV-F3 {row.id} attempt {row.attempt} ended with {row.output}"


def unfenced(evidence: Evidence) -> Iterator[str]:
    """INV-F4: who lost a lease does nothing more, except who was frozen and could not know."""
    last: dict[tuple[str, int], float] = {}
    for step in evidence.steps:
        last[step.run_id, step.attempt] = max(step.at, last.get((step.run_id, step.attempt), 0.0))
    for row in evidence.rows.values():
        for earlier, later in pairwise(row.attempts):
            at = last.get((row.id, earlier.number), 0.0)
            if at > later.granted_at + MACHINE_S and not _was_frozen(evidence.faults, earlier.holder, at):
                late_s = at - later.granted_at
                yield f"INV-F4 {row.id} attempt {earlier.number} of {earlier.holder} worked {late_s:.2f} s too long"


def _was_frozen(faults: Iterable[Struck], holder: str, at: float) -> bool:
    return any(
        fault.action == "worker.freeze" and fault.target == holder and fault.began_at <= at <= fault.healed_at + 5.0
        for fault in faults
    )


def cancels(evidence: Evidence) -> Iterator[str]:
    """INV-T9: a cancel that was granted is the end; one that was refused names the end; nobody else cancels."""
    asked = set()
    for entry in evidence.of("cancel"):
        asked.add(entry["id"])
        row = evidence.rows.get(entry["id"])
        if row is None or entry["status"] not in (200, 409):
            continue
        if entry["state"] != row.status or (entry["status"] == 200 and entry["state"] != "cancelled"):
            yield f"INV-T9 {row.id}: the cancel was told {entry['status']} {entry['state']}, it is {row.status}"
    for row in evidence.rows.values():
        if row.status == "cancelled" and row.id not in asked:
            yield f"INV-T9 {row.id} was cancelled by nobody"


def journals(evidence: Evidence) -> Iterator[str]:
    """INV-L1: numbers without gap, lines of an attempt in order; all of them where it succeeded."""
    for entry in evidence.of("journal"):
        numbers = [seq for seq, _, _ in entry["entries"]]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"INV-L1 {entry['id']} was read as {numbers}"
        lines: dict[str, list[int]] = defaultdict(list)
        for _, kind, text in entry["entries"]:
            if kind == "log":
                attempt, _, number = text.partition(":")
                lines[attempt].append(int(number))
        for attempt, found in lines.items():
            if found != list(range(len(found))):
                yield f"INV-L1 {entry['id']} attempt {attempt} was read as {found}"
        row = evidence.rows.get(entry["id"])
        if entry["is_whole"] and row is not None and row.status == "succeeded":
            count = len(lines[str(row.attempt)])
            if count != entry["lines"]:
                yield f"INV-L2 {row.id} attempt {row.attempt} has {count} of {entry['lines']} lines"


def unarchived(evidence: Evidence) -> Iterator[str]:
    """Every ended run is in the archive, once, as it ended."""
    counts = Counter(run_id for run_id, _ in evidence.archived)
    yield from (f"archive: {run_id} is there {count} times" for run_id, count in counts.items() if count > 1)
    states = dict(evidence.archived)
    for row in evidence.rows.values():
        if states.get(row.id) != row.status:
            yield f"archive: {row.id} is {row.status}, there {states.get(row.id)}"


def strange(evidence: Evidence) -> Iterator[str]:
    """A caller gets what was asked for, or is told to come again: nothing else, whatever is broken."""
    fine = {"submit": {202}, "cancel": {200, 409}, "read": {200, 404}, "journal": {200}}
    for entry in evidence.record:
        status = entry.get("status", 200)
        if status not in fine.get(entry["kind"], {status}) | REFUSALS:
            yield f"{entry['kind']} was answered {status}: {entry.get('body', '')}"


def stuck(evidence: Evidence) -> Iterator[str]:
    """INV-T7: soon after everything is mended something is accepted again, and nobody asks in vain for ever."""
    yield from (f"INV-T7 {entry['key']} was never accepted" for entry in evidence.of("given_up"))
    moments = sorted(entry["at"] for entry in evidence.of("submit") if entry["id"])
    for earlier, later in pairwise(moments):
        healed = max((fault.healed_at for fault in evidence.faults if fault.began_at < later), default=earlier)
        if later - max(earlier, min(healed, later)) > PROGRESS_S:
            yield f"INV-T7 nothing was accepted for {later - earlier:.1f} s"


RULES: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    lost, doubled, reopened, executions, causeless, overlapping, stale, unfenced, cancels, journals, unarchived,
    strange, stuck,
)  # fmt: skip


def broken(evidence: Evidence) -> list[str]:
    """Every promise that the evidence shows broken."""
    return [text for rule in RULES for text in rule(evidence)]
