"""Every store of runs gives the answers of the memory model, history by history."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from taskgate.runs.ports import Applied, Mandate, Move
from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.stores.sqlite.store import SqliteStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.histories import Disagreement, History
from taskgate.testing.stage import RunStage
from tests.stores.postgres_ground import emptied

SEEDS = [*range(12), secrets.randbits(32)]
EXPECTED = (
    "add added", "add replayed", "add key_reused", "claim leased", "claim refused", "renew held", "renew lost",
    "renew stop", "apply applied", "apply replayed", "apply stale", "sweep applied", "sweep stale", "find", "purge",
    "remove",
)  # fmt: skip


def memory_stage(clock: ManualClock) -> RunStage:
    runs = MemoryRuns(clock)
    return RunStage(ledger=MemoryRunLedger(runs), book=MemoryRunBook(runs), clock=clock)


@pytest.mark.parametrize("seed", SEEDS)
async def test_sqlite_answers_like_the_model(tmp_path: Path, seed: int) -> None:
    """INV-T5, INV-F1: a failing seed is in the message; it fails again for ever."""
    clock = ManualClock()
    store = SqliteStore(tmp_path, clock=clock)
    await store.start()
    try:
        other = RunStage(ledger=store.ledger, book=store.book, clock=clock)
        await History(memory_stage(clock), other, seed=seed).play()
    finally:
        await store.stop()


@pytest.mark.parametrize("seed", SEEDS)
async def test_postgres_answers_like_the_model(postgres_tables: str, seed: int) -> None:
    """INV-T5, INV-F1: leases by the database's clock, which the test's own stands in for."""
    clock = ManualClock()
    async with emptied(postgres_tables, clock) as store:
        other = RunStage(ledger=store.ledger, book=store.book, clock=clock)
        await History(memory_stage(clock), other, seed=seed).play()


async def test_histories_reach_every_verdict() -> None:
    """A history that never sees a stale result proves nothing about stale results."""
    clock = ManualClock()
    counts = await History(memory_stage(clock), memory_stage(clock), seed=1).play(900)
    assert [name for name in EXPECTED if counts[name] < 3] == []


class ForgetfulLedger(MemoryRunLedger):
    """Looks neither at the attempt nor at the token: the planted bug."""

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        runs = self._runs.by_id
        attempts = [runs[move.run_id].attempt if move.run_id in runs else move.attempt for move in moves]
        blind = [replace(move, attempt=n, token=None) for move, n in zip(moves, attempts, strict=True)]
        return await super().apply(blind, under=under)


async def test_a_missing_fence_is_noticed() -> None:
    clock = ManualClock()
    runs = MemoryRuns(clock)
    broken = RunStage(ledger=ForgetfulLedger(runs), book=MemoryRunBook(runs), clock=clock)
    with pytest.raises(Disagreement, match="seed=3 step="):
        await History(memory_stage(clock), broken, seed=3).play(600)
