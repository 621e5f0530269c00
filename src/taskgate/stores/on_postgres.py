"""The stores on PostgreSQL, all of them on the pools of one `PostgresStore`. Making them does no I/O.

They may be shared by several gateways, which is so when `sharing` is on a Redis; else this gateway sees to it that it
is alone.
"""

from __future__ import annotations

from collections.abc import Callable

from taskgate.clock import Clock
from taskgate.journal.settings import JournalSettings
from taskgate.stores.opening import Stores
from taskgate.stores.postgres.audit import PostgresAuditLog
from taskgate.stores.postgres.calls import PostgresCallRecords
from taskgate.stores.postgres.catalogue import PostgresCatalogue
from taskgate.stores.postgres.census import PostgresCensus
from taskgate.stores.postgres.ended import PostgresEndedRuns
from taskgate.stores.postgres.journal import PostgresJournal
from taskgate.stores.postgres.keys import PostgresKeyRing
from taskgate.stores.postgres.occupancy import Occupancy
from taskgate.stores.postgres.roster import PostgresRoster
from taskgate.stores.postgres.run_logs import PostgresRunLogs
from taskgate.stores.postgres.services import PostgresServiceBook
from taskgate.stores.postgres.store import PostgresStore
from taskgate.stores.postgres.tokens import PostgresTokenBook
from taskgate.stores.settings import DatabaseSettings
from taskgate.stores.sharing import Sharing


def on_postgres(
    url: str,
    *,
    database: DatabaseSettings,
    sharing: Sharing,
    clock: Clock,
    probe: Callable[[str], None],
    bounds: JournalSettings,
) -> Stores:
    """The stores that a URL names; `bounds` is what journals and logs may cost."""
    size, timeout_s = database.pool_size, database.statement_timeout_s
    store = PostgresStore(url, clock=clock, pool_size=size, statement_timeout_s=timeout_s, probe=probe)
    journal = PostgresJournal(store.floods, limit_bytes=bounds.max_bytes, relay=sharing.relay)
    return Stores(
        ledger=store.ledger,
        book=store.book,
        ended=PostgresEndedRuns(store.pool),
        audit=PostgresAuditLog(store.pool),
        census=PostgresCensus(store.pool),
        ready=sharing.ready,
        journal=journal,
        run_logs=PostgresRunLogs(store.floods, limit_bytes=bounds.max_upload_bytes),
        catalogue=PostgresCatalogue(store.pool),
        keyring=PostgresKeyRing(store.pool),
        roster=PostgresRoster(store.pool),
        leadership=store.leadership,
        clock=store.clock,
        signals=sharing.signals,
        services=PostgresServiceBook(store.pool),
        calls=PostgresCallRecords(store.floods),
        token_book=PostgresTokenBook(store.pool, store.moment),
        buckets=sharing.buckets,
        one_use=sharing.one_use,
        board=sharing.board,
        parts=(store, Occupancy(url, is_alone=not sharing.parts), journal, *sharing.parts),
        backends=(store.pool.guard, store.floods.guard, *sharing.backends),
        is_shared=bool(sharing.parts),
    )
