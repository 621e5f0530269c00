"""From a database URL to the stores behind every port. Making them does no I/O.

`memory:` forgets everything with the process; `sqlite:FOLDER` is the embedded store. `postgresql:` may be shared: with
`redis.url` by all gateways on that Redis; without it this gateway is alone, which the database sees to
(`stores/postgres/occupancy.py`). What gateways share beside the database is in memory or on Redis (`sharing.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from taskgate.audit.ports import AuditLog
from taskgate.clock import Clock
from taskgate.errors import InvalidInput
from taskgate.fleet.ports import Board, Roster
from taskgate.history.ports import EndedRuns
from taskgate.identity.ports import KeyRing, OneUse, TokenBook
from taskgate.journal.ports import Journal, RunLogs
from taskgate.journal.settings import JournalSettings
from taskgate.lifespan import Part
from taskgate.limits.ports import Buckets
from taskgate.routes.ports import ServiceBook
from taskgate.routes.records import CallRecords
from taskgate.runs.ports import Catalogue, Census, Leadership, ReadyQueue, RunBook, RunLedger, Signals
from taskgate.stores.guarding import Backend
from taskgate.stores.memory.archive import MemoryEndedRuns
from taskgate.stores.memory.audit import MemoryAuditLog
from taskgate.stores.memory.book import MemoryRunBook
from taskgate.stores.memory.calls import MemoryCallRecords
from taskgate.stores.memory.catalogue import MemoryCatalogue
from taskgate.stores.memory.census import MemoryCensus
from taskgate.stores.memory.journal import MemoryJournal
from taskgate.stores.memory.keys import MemoryKeyRing
from taskgate.stores.memory.leadership import MemoryLeadership
from taskgate.stores.memory.ledger import MemoryRunLedger, MemoryRuns
from taskgate.stores.memory.roster import MemoryRoster
from taskgate.stores.memory.run_logs import MemoryRunLogs
from taskgate.stores.memory.services import MemoryServiceBook
from taskgate.stores.memory.tokens import MemoryTokenBook
from taskgate.stores.settings import DatabaseSettings, RedisSettings
from taskgate.stores.sharing import Sharing, sharing_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """One adapter per port, and the parts that have to be started before them. `is_shared`: other gateways may stand
    on the same stores at the same time. `backends` are the servers behind them."""

    ledger: RunLedger
    book: RunBook
    ended: EndedRuns
    audit: AuditLog
    census: Census
    ready: ReadyQueue
    journal: Journal
    run_logs: RunLogs
    catalogue: Catalogue
    keyring: KeyRing
    clock: Clock | None = None  # what time it is for all who stand on them; None: that of this host
    roster: Roster
    leadership: Leadership
    signals: Signals
    services: ServiceBook
    calls: CallRecords
    token_book: TokenBook
    buckets: Buckets
    one_use: OneUse
    board: Board
    parts: tuple[Part, ...] = ()
    backends: tuple[Backend, ...] = ()
    is_shared: bool = False


def open_stores(
    url: str,
    *,
    clock: Clock,
    probe: Callable[[str], None],
    database: DatabaseSettings | None = None,
    redis: RedisSettings | None = None,
    journal: JournalSettings | None = None,
) -> Stores:
    """The stores that a URL names; InvalidInput for an unknown scheme. `database` sizes a server's connections, `redis`
    says where that is which gateways share beside the database, `journal` what journals and logs may cost."""
    journal = journal or JournalSettings()
    sharing = sharing_of(redis or RedisSettings(), clock=clock)
    scheme, _, rest = url.partition(":")
    if scheme == "memory":
        return _in_memory(clock, sharing, journal)
    if scheme == "sqlite":
        return _on_sqlite(Path(rest), clock, probe, sharing, journal)
    if scheme == "postgresql":
        from taskgate.stores.on_postgres import on_postgres

        return on_postgres(
            url, database=database or DatabaseSettings(), sharing=sharing, clock=clock, probe=probe, bounds=journal
        )
    raise InvalidInput(f"no store is named {scheme}:", code="UNKNOWN_STORE", extra={"path": "database.url"})


def _in_memory(clock: Clock, sharing: Sharing, bounds: JournalSettings) -> Stores:
    leadership = MemoryLeadership(clock)
    runs = MemoryRuns(clock, leadership)
    return Stores(
        ledger=MemoryRunLedger(runs),
        book=MemoryRunBook(runs),
        ended=MemoryEndedRuns(runs),
        audit=MemoryAuditLog(),
        census=MemoryCensus(runs),
        ready=sharing.ready,
        journal=MemoryJournal(limit_bytes=bounds.max_bytes),
        run_logs=MemoryRunLogs(limit_bytes=bounds.max_upload_bytes),
        catalogue=MemoryCatalogue(),
        keyring=MemoryKeyRing(),
        roster=MemoryRoster(),
        leadership=leadership,
        signals=sharing.signals,
        services=MemoryServiceBook(leadership),
        calls=MemoryCallRecords(),
        token_book=MemoryTokenBook(clock),
        buckets=sharing.buckets,
        one_use=sharing.one_use,
        board=sharing.board,
        parts=sharing.parts,
        backends=sharing.backends,
    )


def _on_sqlite(
    folder: Path, clock: Clock, probe: Callable[[str], None], sharing: Sharing, bounds: JournalSettings
) -> Stores:
    from taskgate.stores.sqlite.audit import SqliteAuditLog
    from taskgate.stores.sqlite.calls import SqliteCallRecords
    from taskgate.stores.sqlite.journal import SqliteJournal
    from taskgate.stores.sqlite.run_logs import SqliteRunLogs
    from taskgate.stores.sqlite.store import SqliteStore

    store = SqliteStore(folder, clock=clock, probe=probe)
    journal = SqliteJournal(folder, limit_bytes=bounds.max_bytes)
    run_logs = SqliteRunLogs(folder, limit_bytes=bounds.max_upload_bytes)
    calls = SqliteCallRecords(folder)
    audit = SqliteAuditLog(folder)
    return Stores(
        ledger=store.ledger,
        book=store.book,
        ended=store.ended,
        audit=audit,
        census=store.census,
        ready=sharing.ready,
        journal=journal,
        run_logs=run_logs,
        catalogue=store.catalogue,
        keyring=store.keyring,
        roster=store.roster,
        leadership=store.leadership,
        signals=sharing.signals,
        services=store.services,
        calls=calls,
        token_book=store.token_book,
        buckets=sharing.buckets,
        one_use=sharing.one_use,
        board=sharing.board,
        parts=(store, journal, run_logs, calls, audit, *sharing.parts),
        backends=sharing.backends,
    )
