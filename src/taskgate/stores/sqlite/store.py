"""One SQLite file with everything but journals: its writer, its readers and the ports that stand on them.

Journals have a file of their own, so that a flood of logs never delays a submit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from taskgate.clock import Clock
from taskgate.errors import StoreError
from taskgate.lifespan import Lifespan
from taskgate.stores.sqlite.archive import SqliteEndedRuns
from taskgate.stores.sqlite.book import SqliteRunBook
from taskgate.stores.sqlite.catalogue import SqliteCatalogue
from taskgate.stores.sqlite.census import SqliteCensus
from taskgate.stores.sqlite.keys import SqliteKeyRing
from taskgate.stores.sqlite.leadership import SqliteLeadership
from taskgate.stores.sqlite.ledger import SqliteRunLedger
from taskgate.stores.sqlite.reader import Reader
from taskgate.stores.sqlite.roster import SqliteRoster
from taskgate.stores.sqlite.services import SqliteServiceBook
from taskgate.stores.sqlite.statements import MIGRATIONS
from taskgate.stores.sqlite.tokens import SqliteTokenBook
from taskgate.stores.sqlite.writer import Writer

FILE = "taskgate.db"


class SqliteStore:
    """The embedded store in a folder. Making it does no I/O; `start` opens, locks and migrates."""

    def __init__(self, folder: Path, *, clock: Clock, probe: Callable[[str], None] | None = None) -> None:
        path = folder / FILE
        self.writer = Writer(path, migrations=MIGRATIONS, probe=probe, name="ledger")
        reader = Reader(path, probe=probe, name="ledger reader")
        lister = Reader(path, probe=probe, name="ledger lister")
        self._life = Lifespan(self.writer, reader, lister)
        self.ledger = SqliteRunLedger(self.writer, reader, clock)
        self.book = SqliteRunBook(self.writer, reader, lister=lister, clock=clock)
        self.ended = SqliteEndedRuns(lister)
        self.census = SqliteCensus(lister)
        self.catalogue = SqliteCatalogue(self.writer, reader)
        self.keyring = SqliteKeyRing(self.writer, reader)
        self.token_book = SqliteTokenBook(self.writer, reader, clock)
        self.roster = SqliteRoster(self.writer, reader)
        self.services = SqliteServiceBook(self.writer, reader)
        self.leadership = SqliteLeadership(self.writer, clock)

    @property
    def ailment(self) -> StoreError | None:
        """Why nothing can be written any more (F19), None while it can."""
        return self.writer.broken

    async def start(self) -> None:
        """Open the file; StoreError when another process owns the folder or the library is too old."""
        await self._life.start()

    async def stop(self) -> None:
        """Commit what was submitted and close."""
        await self._life.stop()
