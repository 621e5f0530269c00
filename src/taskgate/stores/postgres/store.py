"""One PostgreSQL database with everything that gateways share: its connections and the ports that stand on them.

How to add tables and ports: steps in a folder of your own below `migrations/` (see `migrating`), statements in `sql/`
with your noun in front, an adapter that is given the `Pool` (`pool.fetch` for one statement, `pool.use` for more) and
`moment_of(clock)` where time counts; then a line in `stores/opening.py`, beside the others.
"""

from __future__ import annotations

from taskgate.clock import Clock, SystemClock
from taskgate.lifespan import Lifespan
from taskgate.stores.postgres.batching import Probe
from taskgate.stores.postgres.book import PostgresRunBook
from taskgate.stores.postgres.leadership import PostgresLeadership
from taskgate.stores.postgres.ledger import PostgresRunLedger
from taskgate.stores.postgres.migrating import prepare
from taskgate.stores.postgres.moments import moment_of
from taskgate.stores.postgres.pool import PATIENCE_S, Pool
from taskgate.stores.postgres.server_clock import ServerClock

MIGRATING_S = 600.0
FLOOD_SHARE = 4  # one connection of so many
FLOOD_S = 5.0  # nobody waits at a door for the answer


class PostgresStore:
    """The shared store behind a URL. Making it does no I/O; `start` connects and looks at the schema."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        pool_size: int = 12,
        statement_timeout_s: float = 10.0,
        patience_s: float = PATIENCE_S,
        probe: Probe | None = None,
    ) -> None:
        flood_size = max(2, pool_size // FLOOD_SHARE)
        self.pool = Pool(
            url, size=pool_size - flood_size, statement_timeout_s=statement_timeout_s, patience_s=patience_s
        )
        # What may come in floods, logs and recorded calls, never takes a connection that a submit waits for.
        self.floods = Pool(
            url,
            size=flood_size,
            statement_timeout_s=statement_timeout_s,
            patience_s=FLOOD_S,
            name="taskgate floods",
            backend="journal",
        )
        self.moment = moment_of(clock)
        self.ledger = PostgresRunLedger(self.pool, self.moment, probe=probe)
        self.book = PostgresRunBook(self.pool, self.moment)
        self.leadership = PostgresLeadership(self.pool, self.moment)
        # A test's own clock needs no putting right.
        self.clock = ServerClock(self.pool, clock) if isinstance(clock, SystemClock) else None
        clocks = () if self.clock is None else (self.clock,)
        self._life = Lifespan(self.pool, *clocks, *self.ledger.parts, *self.book.parts, self.floods)

    async def start(self) -> None:
        """Connect; an empty database gets its tables, one that is not for this version is refused (StoreError)."""
        await self._life.start()
        try:
            await self.pool.use(prepare, patience_s=MIGRATING_S)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Answer what was asked, then close the connections."""
        await self._life.stop()
