"""The witness that watches ledgers sees what it is there for: each test plants one broken ledger."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from taskgate.runs.chain import moved
from taskgate.runs.ports import Applied, Claim, Mandate, Move
from taskgate.runs.run import Run, Status
from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.testing.clock import ManualClock
from taskgate.testing.stage import RunStage, cancellation, claim, move, requeueing, success
from taskgate.testing.witness import LedgerWitness, Violation


class BlindLedger(MemoryRunLedger):
    """Applies whatever it is told."""

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        for one in moves:
            self._runs.by_id[one.run_id] = moved(self._runs.by_id[one.run_id], one)
        return [Applied.APPLIED] * len(moves)


class GenerousLedger(MemoryRunLedger):
    """Gives a lease on whatever is asked for."""

    async def claim(self, claims: Sequence[Claim]) -> list[Run | None]:
        for one in claims:
            self._runs.by_id[one.run_id] = replace(self._runs.by_id[one.run_id], status=Status.QUEUED)
        return await super().claim(claims)


def watched(kind: type[MemoryRunLedger]) -> tuple[RunStage, MemoryRuns]:
    clock = ManualClock()
    runs = MemoryRuns(clock)
    book = MemoryRunBook(runs)
    return RunStage(ledger=LedgerWitness(kind(runs), book), book=book, clock=clock), runs


async def test_a_second_end_is_seen() -> None:
    """INV-T4."""
    stage, _ = watched(BlindLedger)
    run, now = await stage.offered(), stage.clock.now()
    await stage.ledger.apply([cancellation(run, now)])
    with pytest.raises(Violation, match="had ended and was moved again"):
        await stage.ledger.apply([success(run, now)])


async def test_an_ended_run_that_changes_is_seen() -> None:
    stage, runs = watched(MemoryRunLedger)
    run = await stage.ended()
    runs.by_id[run.id] = replace(run, output=b"2")
    with pytest.raises(Violation, match="an ended run changed"):
        await stage.ledger.claim([claim(run)])


async def test_a_second_lease_is_seen() -> None:
    """INV-F2."""
    stage, _ = watched(GenerousLedger)
    run = await stage.offered()
    with pytest.raises(Violation, match="not queued"):
        await stage.ledger.claim([claim(run, "w2")])


async def test_an_illegal_transition_is_seen() -> None:
    """INV-T5: only the holder of a lease can succeed."""
    stage, _ = watched(MemoryRunLedger)
    run = await stage.added()
    with pytest.raises(Violation, match="illegal transition"):
        await stage.ledger.apply([move(run, Status.SUCCEEDED, ended_at=1.0, output=b"1")])


async def test_a_run_that_disappears_is_seen() -> None:
    """INV-T1."""
    stage, runs = watched(MemoryRunLedger)
    run = await stage.added()
    runs.delete(run)
    with pytest.raises(Violation, match="is gone"):
        await stage.ledger.claim([claim(run)])


async def test_a_step_back_on_the_chain_is_seen() -> None:
    stage, _ = watched(MemoryRunLedger)
    run = await stage.offered()
    await stage.ledger.apply([requeueing(run, 1.0, chain_position=1)])
    queued = await stage.whole(run)
    with pytest.raises(Violation, match="the chain went back"):
        await stage.ledger.apply([move(queued, Status.QUEUED, chain_position=0)])


async def test_a_sleeper_without_a_timer_is_seen() -> None:
    stage, _ = watched(MemoryRunLedger)
    run = await stage.offered()
    with pytest.raises(Violation, match="no timer"):
        await stage.ledger.apply([requeueing(run, 1.0, status=Status.SCHEDULED)])
