"""A load on the ledger that keeps its own record of what it was told: the oracle of faults.

Whoever is refused asks again with the same ids, as a gateway's callers do with their keys.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field

from taskgate.errors import NotNow
from taskgate.runs.ports import AddVerdict, Applied
from taskgate.runs.run import Run
from taskgate.stores.postgres.store import PostgresStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.stage import RunStage, claim, renewal, success

PAUSE_S = 0.05


@dataclass(slots=True)
class Load:
    """Runs that are added, claimed, renewed and ended, for as long as `going`."""

    store: PostgresStore
    stage: RunStage
    going: bool = True
    added: dict[str, set[AddVerdict]] = field(default_factory=dict)
    ended: dict[str, set[Applied]] = field(default_factory=dict)
    refused: list[float] = field(default_factory=list)  # seconds until each refusal
    codes: set[str] = field(default_factory=set)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def live(self) -> None:
        """One life after the other."""
        while self.going:
            run = self.stage.run(idempotency_key=f"key-{next(self.numbers)}", body_digest="body")
            await self._added(run)
            leased = await self._claimed(run)
            if leased is not None:
                await self._ended(leased)

    async def _added(self, run: Run) -> None:
        while True:
            began = time.monotonic()
            try:
                (verdict,) = await self.store.ledger.add([run], {})
            except NotNow as error:
                await self._refused(error, began)
                continue
            assert verdict.run.id == run.id
            self.added.setdefault(run.id, set()).add(verdict.verdict)
            return

    async def _claimed(self, run: Run) -> Run | None:
        """The leased run; None where nobody was told of the lease that it got: it is left to its expiry."""
        while True:
            began = time.monotonic()
            try:
                (leased,) = await self.store.ledger.claim([claim(run, token=f"{run.id}-token")])
                return leased
            except NotNow as error:
                await self._refused(error, began)

    async def _ended(self, run: Run) -> None:
        now = self.stage.clock.now()
        while True:
            began = time.monotonic()
            try:
                await self.store.ledger.renew([renewal(run)])
                (verdict,) = await self.store.ledger.apply([success(run, now, output=run.id.encode())])
            except NotNow as error:
                await self._refused(error, began)
                continue
            self.ended.setdefault(run.id, set()).add(verdict)
            return

    async def _refused(self, error: NotNow, began: float) -> None:
        self.refused.append(time.monotonic() - began)
        self.codes.add(error.code)
        await asyncio.sleep(PAUSE_S)


def load_on(store: PostgresStore, clock: ManualClock) -> Load:
    """A load that has not begun."""
    return Load(store, RunStage(ledger=store.ledger, book=store.book, clock=clock))


class Lag:
    """How long the event loop was busy at most, measured by a task that wakes often."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Lag:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            began, cpu = time.monotonic(), time.thread_time()
            await asyncio.sleep(0.01)
            # time of this thread only: a machine that gives it none is not our doing
            self.worst_s = max(self.worst_s, min(time.monotonic() - began - 0.01, time.thread_time() - cpu))
