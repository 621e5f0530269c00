"""Connections to one PostgreSQL, and the bound on how long anybody waits for it.

Whoever asks hears within `PATIENCE_S`: an answer, or `Unavailable` (F12). Patience is counted in slices, so that a
process which stood still itself does not take its own sleep for a server that hangs. A statement that was given up
takes its connection with it: nothing waits for a frozen server, and the pool makes a new one when it is back, so
that nothing has to be restarted. While nobody answers at all, callers are refused at once (`stores/guarding.py`).

Every session asks for `synchronous_commit=on` and shows that it has it: an answer means that the log is on disk.
Statements are prepared once and planned anew each time, for tables that are as large as they are then: a plan that
was made while they were empty would read all of them. Every statement finds its rows by an index.
A standby is no database to stand on: connections to one are refused (F13).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from taskgate.errors import StoreError, TaskgateError, Unavailable
from taskgate.stores.guarding import Guard
from taskgate.stores.places import places_of
from taskgate.stores.postgres.dialling import CONNECT_S, Dialler
from taskgate.stores.postgres.failures import is_away, is_lost, translated

_log = logging.getLogger(__name__)
PATIENCE_S = 1.75  # 503 within two seconds
SLICE_S = 0.25
CLOSE_S = 2.0

Outcome = TypeVar("Outcome")
Connection = Any  # asyncpg's, or the pool's proxy of one
Work = Callable[[Connection], Awaitable[Outcome]]


class _Session(asyncpg.Connection):
    """A connection that goes back into the pool without a round trip: nobody here changes session state."""

    def get_reset_query(self) -> str:
        return ""


class Pool:
    """Connections to the database of `url`; a part. `patience_s` is what one caller waits, `backend` the name under
    which operators see it."""

    def __init__(
        self,
        url: str,
        *,
        size: int = 12,
        statement_timeout_s: float = 10.0,
        patience_s: float = PATIENCE_S,
        name: str = "taskgate",
        backend: str = "store",
    ) -> None:
        self.url = driver_url(url)
        self.size = size
        self.patience_s = patience_s
        self.guard = Guard(backend, patience_s=patience_s)
        self._settings = {
            "application_name": name,
            "statement_timeout": str(int(statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "30000",
            "synchronous_commit": "on",
            "timezone": "UTC",
            "jit": "off",
            "plan_cache_mode": "force_custom_plan",
            "enable_seqscan": "off",
            "enable_hashjoin": "off",
            "enable_mergejoin": "off",
            "enable_bitmapscan": "off",
        }
        self._dialler = Dialler()
        self._pool: asyncpg.Pool | None = None

    async def start(self) -> None:
        """Connect; Unavailable when nobody answers, StoreError when the credential or the database is wrong."""
        pool = asyncpg.create_pool(
            self.url,
            min_size=0,
            max_size=self.size,
            timeout=max(self.patience_s, CONNECT_S),
            statement_cache_size=256,
            max_cached_statement_lifetime=0,
            max_inactive_connection_lifetime=300.0,
            connection_class=_Session,
            connect=self._dialler.connect,
            server_settings=self._settings,
            target_session_attrs=SessionAttribute.primary,
        )
        try:
            await pool
            self._pool = pool
            await self.fetch("SELECT 1")
        except BaseException as error:
            self._pool = None
            pool.terminate()
            self._dialler.close()
            if not isinstance(error, Exception):
                raise
            raise named(translated(error), self.url) from error

    async def stop(self) -> None:
        """Wait a moment for what is under way, then close every connection. Safe to call twice."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        self._dialler.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    async def use(self, work: Work[Outcome], *, patience_s: float | None = None) -> Outcome:
        """What `work(connection)` returns; Unavailable once patience ends, whatever became of the statement.

        Failures come out translated. A caller that is cancelled, or that has waited long enough, leaves nothing
        behind: the connection is cut.
        """
        patience_s = self.patience_s if patience_s is None else patience_s
        task = asyncio.ensure_future(self.perform(work, patience_s=patience_s))
        try:
            if await is_over(task, patience_s):
                return task.result()
        except Exception as error:
            raise translated(error) from error
        finally:
            task.cancel()
        raise Unavailable("the database does not answer", code="STORE_SLOW", retry_after_s=1.0)

    async def perform(self, work: Work[Outcome], *, patience_s: float | None = None) -> Outcome:
        """As `use`, with the driver's own errors and without a bound: for writers that have theirs. Who cancels it
        after `patience_s` says that the server was silent; not who waited for a connection that others here used."""
        pool = self._pool
        if pool is None:
            raise StoreError("the store is closed", code="STORE_CLOSED")
        guard = self.guard
        turn = guard.enter()
        try:
            connection = await pool.acquire()
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                (guard.silent if is_away(error) else guard.answered)(turn)
            elif pool.get_idle_size() == 0 and pool.get_size() >= self.size:
                guard.lost(turn)
            else:
                guard.given_up(turn, patience_s=patience_s)
            raise
        try:
            outcome = await work(connection)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                guard.given_up(turn, patience_s=patience_s)
                connection.terminate()
            else:
                (guard.lost if is_lost(error) else guard.answered)(turn)
            raise
        else:
            guard.answered(turn)
            return outcome
        finally:
            await pool.release(connection)

    async def fetch(self, text: str, *arguments: Any) -> Sequence[Any]:
        """The rows of one statement, committed by itself."""

        async def fetched(connection: Connection) -> Sequence[Any]:
            rows: Sequence[Any] = await connection.fetch(text, *arguments)
            return rows

        return await self.use(fetched)


async def is_over(task: asyncio.Future[Any], patience_s: float) -> bool:
    """Whether it ends within so many seconds of this process's being awake."""
    task.add_done_callback(_forget)
    for _ in range(max(1, round(patience_s / SLICE_S))):
        done, _ = await asyncio.wait({task}, timeout=SLICE_S)
        if done:
            return True
    return False


def _forget(task: asyncio.Future[Any]) -> None:
    """However a statement ends that was given up, nobody waits for it any more: it is no news."""
    if not task.cancelled():
        task.exception()


def driver_url(url: str) -> str:
    """The URL as the driver wants it: `postgresql+asyncpg://` is how others write it."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


def named(error: TaskgateError, url: str) -> TaskgateError:
    """The same error, and of a server that does not answer also where it should be."""
    if not isinstance(error, Unavailable):
        return error
    places = ", ".join(f"{host}:{port}" for host, port in places_of(url))
    detail = f"{error.detail}: nobody answers at {places}{urlsplit(url).path}" if places else error.detail
    return Unavailable(detail, code=error.code, retry_after_s=error.retry_after_s)
