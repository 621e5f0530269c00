"""A ledger that watches another one and raises on what must never be seen, whatever the verdicts say.

It stands between a test and a backend, reads back every run that a verb touched and compares it with what it
saw last: one end only and for ever (INV-T4), legal transitions only (INV-T5), one live lease at a time (INV-F2),
a fence that only grows, every attempt kept. One caller at a time: two verbs in flight would confuse it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from taskgate.runs.lifecycle import TRANSITIONS
from taskgate.runs.ports import (
    Added,
    Applied,
    Claim,
    Grant,
    Mandate,
    Move,
    QueuedRef,
    Renewal,
    Renewed,
    RunBook,
    RunLedger,
)
from taskgate.runs.run import Run, Status

LEGAL: Mapping[Status, frozenset[Status]] = {
    status: frozenset().union(*TRANSITIONS.get(status, {}).values(), {status} if status in TRANSITIONS else set())
    | ({Status.RUNNING} if status is Status.QUEUED else set())
    for status in Status
}


class Violation(AssertionError):
    """Something was seen that must never be."""


class LedgerWitness:
    """RunLedger around another one; `seen` is every run as it was read last."""

    def __init__(self, ledger: RunLedger, book: RunBook) -> None:
        self._ledger = ledger
        self._book = book
        self.seen: dict[str, Run] = {}
        self.is_violated = False

    async def add(self, runs: Sequence[Run], grants: Mapping[str, Grant]) -> list[Added]:
        added = await self._ledger.add(runs, grants)
        await self._look(item.run.id for item in added)
        return added

    async def claim(self, claims: Sequence[Claim]) -> list[Run | None]:
        before = {one.run_id: self.seen.get(one.run_id) for one in claims}
        leased = await self._ledger.claim(claims)
        for one, run in zip(claims, leased, strict=True):
            earlier = before[one.run_id]
            if run is not None and earlier is not None:
                _demand(earlier.status is Status.QUEUED, "a lease was given on a run that was not queued", earlier, run)
                _demand(run.attempt == earlier.attempt + 1, "the fence did not grow by one", earlier, run)
        await self._look(one.run_id for one in claims)
        return leased

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        renewed = await self._ledger.renew(renewals)
        await self._look(one.run_id for one in renewals)
        return renewed

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        ended = {one.run_id for one in moves if (run := self.seen.get(one.run_id)) is not None and not run.is_open}
        verdicts = await self._ledger.apply(moves, under=under)
        for one, verdict in zip(moves, verdicts, strict=True):
            if verdict is Applied.APPLIED and one.run_id in ended:
                raise Violation(f"{one.run_id} had ended and was moved again: {one}")
        await self._look(one.run_id for one in moves)
        return verdicts

    async def expired(self, limit: int) -> list[Run]:
        return await self._ledger.expired(limit)

    async def due(self, limit: int) -> list[Run]:
        return await self._ledger.due(limit)

    async def queued(self, after: str, limit: int) -> list[QueuedRef]:
        return await self._ledger.queued(after, limit)

    async def _look(self, run_ids: Iterable[str]) -> None:
        asked = list(dict.fromkeys(run_ids))
        for run_id, run in zip(asked, await self._book.get(asked), strict=True):
            earlier = self.seen.get(run_id)
            if run is None:
                if earlier is not None:
                    raise Violation(f"{run_id} was accepted and is gone (INV-T1)")
                continue
            self.is_violated = True
            if earlier is not None:
                _compare(earlier, run)
            _inspect(run)
            self.is_violated = False
            self.seen[run_id] = run


def _compare(earlier: Run, run: Run) -> None:
    """What may change between two looks at one run."""
    if not earlier.is_open:
        _demand(replace(run, stopped_at=earlier.stopped_at) == earlier, "an ended run changed", earlier, run)
        return
    if earlier.attempt == run.attempt:
        _demand(run.status in LEGAL[earlier.status], "an illegal transition", earlier, run)
        _demand(run.status is not Status.RUNNING or earlier.lease is not None, "a lease without a fence", earlier, run)
    _demand(run.attempt >= earlier.attempt, "the fence shrank", earlier, run)
    _demand(run.chain_position >= earlier.chain_position, "the chain went back", earlier, run)
    _demand(run.attempts[: len(earlier.attempts)] == earlier.attempts, "an ended attempt changed", earlier, run)
    _demand(earlier.started_at in (None, run.started_at), "the first start changed", earlier, run)


def _inspect(run: Run) -> None:
    """What holds of every run at every moment."""
    numbers = [attempt.number for attempt in run.attempts] + ([run.current.number] if run.current else [])
    _demand(numbers == list(range(1, run.attempt + 1)), "an attempt is missing", run)
    _demand(all(attempt.ended_at is not None for attempt in run.attempts), "an earlier attempt never ended", run)
    running = run.status is Status.RUNNING
    _demand((run.lease is not None) is running, "a lease belongs to a running run", run)
    _demand(not running or (run.current is not None and run.current.ended_at is None), "nobody runs it", run)
    _demand((run.due_at is not None) is (run.status is Status.SCHEDULED), "no timer will wake it (INV-T1)", run)
    _demand((run.ended_at is None) is run.is_open, "an end has a moment", run)
    _demand((run.output is not None) is (run.status is Status.SUCCEEDED), "an output is a success", run)
    failed = not run.is_open and run.status is not Status.SUCCEEDED
    _demand((run.error is not None) is failed, "an end without success has its reason kept", run)


def _demand(holds: bool, what: str, *runs: Run) -> None:  # noqa: FBT001 - a claim, said first
    if not holds:
        raise Violation("\n  ".join((what, *(str(run) for run in runs))))
