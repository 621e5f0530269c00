"""Who stands on this database: one gateway alone, or several that hear each other.

A gateway whose ready queue and signals are in its own memory does not learn what another one queues, so a second one
is refused at its start. The claim is an advisory lock of a session of its own: exclusive for a gateway that is alone,
shared for those that have Redis between them, so that one of each kind is refused as well. It ends with the process,
however that ends.

A restart of the database takes the claim away; it is taken again as soon as the server is back. Meanwhile, and where
the server still holds the session of a cut connection, nothing is unsafe: what is queued is judged by the ledger
alone. Only when somebody else keeps the claim for longer than that does the gateway end (`ailment`).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from taskgate.errors import StoreError, TaskgateError, Unavailable
from taskgate.lifespan import TaskSet
from taskgate.stores.postgres.failures import translated
from taskgate.stores.postgres.pool import driver_url

_log = logging.getLogger(__name__)
CLAIM = 0x7461736C
HANDOVER_S = 5.0  # a predecessor's session may be ending
GHOST_S = 120.0  # a server holds the session of a connection that was cut
PAUSE_S = 0.25
CONNECT_S = 5.0
_HOLDERS = """
SELECT DISTINCT coalesce(host(client_addr), 'this machine') FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objid = $1 AND pg_locks.database = (
    SELECT oid FROM pg_database WHERE datname = current_database()
) LIMIT 5
"""


class Occupancy:
    """The claim of one gateway on a database. `is_alone`: nobody else may stand on it."""

    def __init__(self, url: str, *, is_alone: bool, handover_s: float = HANDOVER_S, ghost_s: float = GHOST_S) -> None:
        self._url = driver_url(url)
        self._is_alone = is_alone
        self._handover_s = handover_s
        self._ghost_s = ghost_s
        self._connection: Any = None
        self._cut = asyncio.Event()
        self._tasks = TaskSet()
        self.ailment: TaskgateError | None = None

    async def start(self) -> None:
        """Take the claim; StoreError where another gateway keeps it."""
        self.ailment = None
        await self._claim(self._handover_s)
        self._tasks.spawn(self._keep(), name="claim on the database")

    async def stop(self) -> None:
        """Give the claim back."""
        await self._tasks.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=1.0)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()

    async def _keep(self) -> None:
        while True:
            await self._cut.wait()
            _log.warning("the claim on the database was cut off; taking it again")
            try:
                await self._claim(self._ghost_s)
            except StoreError as error:
                self.ailment = error
                return

    async def _claim(self, within_s: float) -> None:
        """Connect and lock, for as long as that takes while the server is away, so long while somebody else has it."""
        refused_s = 0.0
        while True:
            try:
                connection = await self._connected()
            except Unavailable:
                if self._connection is None:
                    raise
                await asyncio.sleep(PAUSE_S)
                continue
            if connection is not None:
                self._connection = connection
                return
            if refused_s >= within_s:
                raise StoreError(await self._refusal(), code="STORE_IN_USE")
            refused_s += PAUSE_S
            await asyncio.sleep(PAUSE_S)

    async def _connected(self) -> Any:
        """A session that has the claim, None while somebody else has it."""
        verb = "pg_try_advisory_lock" if self._is_alone else "pg_try_advisory_lock_shared"
        connection: Any = None
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await asyncpg.connect(
                    self._url,
                    server_settings={"application_name": "taskgate claim", "tcp_keepalives_idle": "30"},
                    target_session_attrs=SessionAttribute.primary,
                )
                if await connection.fetchval(f"SELECT {verb}($1)", CLAIM):
                    self._cut.clear()
                    connection.add_termination_listener(lambda _: self._cut.set())
                    return connection
                await connection.close()
                return None
        except Exception as error:
            if connection is not None:
                connection.terminate()
            raise translated(error) from error

    async def _refusal(self) -> str:
        where = ""
        with suppress(Exception):
            connection = await asyncpg.connect(self._url, timeout=CONNECT_S)
            try:
                where = ", ".join(row[0] for row in await connection.fetch(_HOLDERS, CLAIM))
            finally:
                await connection.close(timeout=1.0)
        by = f" (from {where})" if where else ""
        if self._is_alone:
            return (
                f"another gateway stands on this database already{by}: several share one only with Redis between them, "
                "so give each the same redis.url, or stop the other"
            )
        return f"a gateway without redis.url stands on this database{by}: give it the same redis.url, or stop it"
