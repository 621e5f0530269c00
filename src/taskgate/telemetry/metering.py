"""Stores that are counted: each port wrapped once, so that neither rooms nor adapters know of metrics.

A wrapper adds two readings of the clock and an integer to a verb; what it hands on is what it was given. An answer
that a store refused (Unavailable, StoreError) is counted by port, and says that the store is away until a verb
succeeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from time import monotonic
from typing import TypeVar

from taskgate.errors import NotNow, StoreError
from taskgate.journal.entry import Appended, Batch
from taskgate.journal.page import Page
from taskgate.journal.ports import Journal
from taskgate.runs.ports import (
    Added,
    AddVerdict,
    Applied,
    Claim,
    Grant,
    Leadership,
    Mandate,
    Move,
    QueuedRef,
    Renewal,
    Renewed,
    RunLedger,
)
from taskgate.runs.run import Run
from taskgate.telemetry.numbers import Numbers

V = TypeVar("V")


class Meter:
    """Times the verbs of one port."""

    def __init__(self, port: str, numbers: Numbers) -> None:
        self._port = port
        self._numbers = numbers
        self._is_away = False
        numbers.away[port] = False

    async def timed(self, verb: str, doing: Awaitable[V]) -> V:
        """What it gives, counted; a cancelled caller is no failure of the store."""
        began = monotonic()
        try:
            given = await doing
        except (NotNow, StoreError) as error:
            self._numbers.failures[self._port, type(error).__name__] += 1
            self._numbers.away[self._port] = self._is_away = True
            raise
        self._numbers.verb(self._port, verb).took(monotonic() - began)
        if self._is_away:
            self._numbers.away[self._port] = self._is_away = False
        return given


class MeteredLedger:
    """RunLedger that counts leases given, renewed and lost, and attempts by how they ended."""

    def __init__(self, ledger: RunLedger, numbers: Numbers) -> None:
        self._ledger = ledger
        self._numbers = numbers
        self._meter = Meter("ledger", numbers)

    async def add(self, runs: Sequence[Run], grants: Mapping[str, Grant]) -> list[Added]:
        added = await self._meter.timed("add", self._ledger.add(runs, grants))
        given = sum(1 for one in added if one.verdict is AddVerdict.ADDED and one.run.lease is not None)
        self._numbers.leases["offered"] += given
        return added

    async def claim(self, claims: Sequence[Claim]) -> list[Run | None]:
        runs = await self._meter.timed("claim", self._ledger.claim(claims))
        self._numbers.leases["offered"] += sum(1 for run in runs if run is not None)
        return runs

    async def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        verdicts = await self._meter.timed("renew", self._ledger.renew(renewals))
        for verdict in verdicts:
            self._numbers.leases[verdict.value] += 1
        return verdicts

    async def apply(self, moves: Sequence[Move], *, under: Mandate | None = None) -> list[Applied]:
        verdicts = await self._meter.timed("apply", self._ledger.apply(moves, under=under))
        for move, verdict in zip(moves, verdicts, strict=True):
            if verdict is Applied.APPLIED:
                if move.end is not None:
                    self._numbers.attempts[move.end.outcome.value] += 1
            else:
                self._numbers.leases[f"{verdict.value}_report"] += 1
        return verdicts

    async def expired(self, limit: int) -> list[Run]:
        runs = await self._ledger.expired(limit)
        self._numbers.leases["expired"] += len(runs)
        return runs

    async def due(self, limit: int) -> list[Run]:
        return await self._ledger.due(limit)

    async def queued(self, after: str, limit: int) -> list[QueuedRef]:
        return await self._ledger.queued(after, limit)


class MeteredJournal:
    """Journal that counts what comes in, and what of it was new."""

    def __init__(self, journal: Journal, numbers: Numbers) -> None:
        self._journal = journal
        self._numbers = numbers
        self._meter = Meter("journal", numbers)

    async def append(self, batches: Sequence[Batch]) -> list[Appended]:
        verdicts = await self._meter.timed("append", self._journal.append(batches))
        journal = self._numbers.journal
        journal["entries_in"] += sum(len(batch.drafts) for batch in batches)
        journal["bytes_in"] += sum(len(draft.text) for batch in batches for draft in batch.drafts)
        journal["entries_stored"] += sum(verdict.added_count for verdict in verdicts)
        journal["cut_batches"] += sum(verdict.full for verdict in verdicts)
        return verdicts

    async def read(self, subject: str, after: int, *, limit: int) -> Page:
        return await self._journal.read(subject, after, limit=limit)

    def follow(
        self, subject: str, after: int, *, until: asyncio.Future[None] | None = None
    ) -> AsyncGenerator[Page, None]:
        return self._journal.follow(subject, after, until=until)

    async def seal(self, subject: str) -> int:
        return await self._journal.seal(subject)

    async def purge(self, subjects: Sequence[str]) -> None:
        await self._journal.purge(subjects)

    async def stored(self, after: str, before: str, *, limit: int) -> list[str]:
        return await self._journal.stored(after, before, limit=limit)


class MeteredLeadership:
    """Leadership that remembers which duties are led from here, and under which epoch."""

    def __init__(self, leadership: Leadership, numbers: Numbers) -> None:
        self._leadership = leadership
        self._leads = numbers.leads
        self._until = numbers.led_until

    async def campaign(self, duty: str, holder: str, *, duration_s: float) -> int | None:
        until = monotonic() + duration_s
        epoch = await self._leadership.campaign(duty, holder, duration_s=duration_s)
        self._leads[duty], self._until[duty] = epoch or 0, until
        return epoch

    async def resign(self, duty: str, holder: str) -> None:
        self._leads[duty] = 0
        await self._leadership.resign(duty, holder)
