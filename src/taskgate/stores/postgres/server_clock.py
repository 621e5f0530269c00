"""The time of a gateway beside others: the database's, whatever the clock of its own host says (F16).

Leases and timers are judged by the database's clock, so what a gateway writes for it to judge, deadlines, delays,
retries, must be told by the same one: a host that is an hour behind would time out every run with a deadline at once.
Between two looks at the database time is counted by a clock that nobody sets: a step of the wall clock moves nothing.
A look that took long says less, and is believed only where it proves the present value wrong.
"""

from __future__ import annotations

import asyncio
import logging
import time

from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.lifespan import TaskSet
from taskgate.stores.postgres.pool import Pool
from taskgate.stores.postgres.statements import sql

_log = logging.getLogger(__name__)
LOOK_S = 10.0
FIRST_LOOKS = 3  # the first one may have made the connection
STRANGE_S = 2.0
_COUNTING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the host sleeps, where there is one


class ServerClock:
    """A clock and a part. Before its start, and where nothing can be asked, it goes on as it was."""

    def __init__(self, pool: Pool, own: Clock) -> None:
        self._pool = pool
        self._own = own
        self._base: float | None = None
        self.tasks = TaskSet()

    def now(self) -> float:
        """Epoch seconds of the database."""
        return self._own.now() if self._base is None else self._base + time.clock_gettime(_COUNTING)

    def monotonic(self) -> float:
        """Seconds of this process's host."""
        return self._own.monotonic()

    async def start(self) -> None:
        for _ in range(FIRST_LOOKS):
            await self.look()
        ahead_s = self._own.now() - self.now()
        if abs(ahead_s) > STRANGE_S:
            _log.warning("the clock of this host is %+.1f s off the database's, which counts for runs", ahead_s)
        self.tasks.spawn(self._keep(), name="clock of the database")

    async def stop(self) -> None:
        await self.tasks.close()

    async def look(self) -> None:
        """Ask the database once."""
        began = time.clock_gettime(_COUNTING)
        ((told,),) = await self._pool.fetch(sql("server_clock"))
        ended = time.clock_gettime(_COUNTING)
        base = told - (began + ended) / 2
        if self._base is None or abs(base - self._base) > (ended - began) / 2:
            self._base = base

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except (NotNow, StoreError) as error:
                _log.debug("the clock of the database is looked at later: %s", error)
