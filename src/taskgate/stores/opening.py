"""From a database URL to the stores behind every port. Making them does no I/O.

`memory:` forgets everything with the process; `sqlite:FOLDER` is the embedded store. The ready queue and the
signals live in memory in both, because one process owns such a ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from taskgate.clock import Clock
from taskgate.errors import InvalidInput
from taskgate.fleet.ports import Board, Roster
from taskgate.history.ports import EndedRuns
from taskgate.identity.ports import KeyRing
from taskgate.journal.ports import Journal
from taskgate.lifespan import Part
from taskgate.routes.ports import ServiceBook
from taskgate.routes.records import CallRecords
from taskgate.runs.ports import Catalogue, Census, Leadership, ReadyQueue, RunBook, RunLedger, Signals
from taskgate.stores.memory.archive import MemoryEndedRuns
from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.calls import MemoryCallRecords
from taskgate.stores.memory.catalogue import MemoryCatalogue
from taskgate.stores.memory.census import MemoryCensus
from taskgate.stores.memory.journal import MemoryJournal
from taskgate.stores.memory.keys import MemoryKeyRing
from taskgate.stores.memory.leadership import MemoryLeadership
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.stores.memory.ready import MemoryReadyQueue
from taskgate.stores.memory.roster import MemoryRoster
from taskgate.stores.memory.services import MemoryServiceBook
from taskgate.stores.memory.signals import MemorySignals


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """One adapter per port, and the parts that have to be started before them. `is_shared`: other gateways may stand
    on the same stores at the same time."""

    ledger: RunLedger
    book: RunBook
    ended: EndedRuns
    census: Census
    ready: ReadyQueue
    journal: Journal
    catalogue: Catalogue
    keyring: KeyRing
    roster: Roster
    leadership: Leadership
    signals: Signals
    services: ServiceBook
    calls: CallRecords
    parts: tuple[Part, ...] = ()
    is_shared: bool = False
    board: Board | None = None


def open_stores(url: str, *, clock: Clock, probe: Callable[[str], None]) -> Stores:
    """The stores that a URL names; InvalidInput for an unknown scheme."""
    scheme, _, rest = url.partition(":")
    if scheme == "memory":
        return _in_memory(clock)
    if scheme == "sqlite":
        return _on_sqlite(Path(rest), clock, probe)
    raise InvalidInput(f"no store is named {scheme}:", code="UNKNOWN_STORE", extra={"path": "database.url"})


def _in_memory(clock: Clock) -> Stores:
    leadership = MemoryLeadership(clock)
    runs = MemoryRuns(clock, leadership)
    return Stores(
        ledger=MemoryRunLedger(runs),
        book=MemoryRunBook(runs),
        ended=MemoryEndedRuns(runs),
        census=MemoryCensus(runs),
        ready=MemoryReadyQueue(),
        journal=MemoryJournal(),
        catalogue=MemoryCatalogue(),
        keyring=MemoryKeyRing(),
        roster=MemoryRoster(),
        leadership=leadership,
        signals=MemorySignals(),
        services=MemoryServiceBook(),
        calls=MemoryCallRecords(),
    )


def _on_sqlite(folder: Path, clock: Clock, probe: Callable[[str], None]) -> Stores:
    from taskgate.stores.sqlite.calls import SqliteCallRecords
    from taskgate.stores.sqlite.journal import SqliteJournal
    from taskgate.stores.sqlite.store import SqliteStore

    store = SqliteStore(folder, clock=clock, probe=probe)
    journal = SqliteJournal(folder)
    calls = SqliteCallRecords(folder)
    return Stores(
        ledger=store.ledger,
        book=store.book,
        ended=store.ended,
        census=store.census,
        ready=MemoryReadyQueue(),
        journal=journal,
        catalogue=store.catalogue,
        keyring=store.keyring,
        roster=store.roster,
        leadership=store.leadership,
        signals=MemorySignals(),
        services=store.services,
        calls=calls,
        parts=(store, journal, calls),
    )
