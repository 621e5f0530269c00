"""One connection in a thread of its own, made when it is needed and made again when it was lost.

What is performed here is performed as one transaction, and must be such that doing it twice does no harm: where the
connection turns out to be dead at once (the server was restarted meanwhile), it is done again on a fresh one. A server
that stands still is waited for until `timeout_s`; whoever asked hears `Unavailable` then, and whoever asks after that
hears it at once, until a probe is answered (`stores/guarding.py`).
Every fresh connection is looked at: may its server be trusted with what it confirms, and how large may a packet be?
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from taskgate.errors import InvalidInput, StoreError, TaskgateError, Unavailable
from taskgate.stores.guarding import Guard
from taskgate.stores.mysql.failures import is_away, is_lost, translated

_log = logging.getLogger(__name__)
CONNECT_S = 3.0
TIMEOUT_S = 10.0
AT_ONCE_S = 1.0
AWAY_S = 2.0
SMALLEST_PACKET = 1 << 20
SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00'",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)
ASKED = "SELECT @@innodb_flush_log_at_trx_commit, @@max_allowed_packet"

Outcome = TypeVar("Outcome")
Work = Callable[[Cursor], Outcome]


class Line:
    """A way to one database. `prepare` is called with every fresh connection, before anything else."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        prepare: Callable[[Cursor], None],
        timeout_s: float = TIMEOUT_S,
        guard: Guard | None = None,
    ) -> None:
        self._arguments = arguments_of(url)
        self._name = name
        self._prepare = prepare
        self._timeout_s = timeout_s
        self._connection: Connection[Cursor] | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._has_warned = False
        self._turn = asyncio.Lock()
        self.guard = guard or guard_of(timeout_s)
        self.packet_bytes = SMALLEST_PACKET

    async def start(self) -> None:
        """Connect, if somebody answers: StoreError when the server refuses, silence while it is away."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)
        try:
            await self.use(lambda cursor: cursor.execute("SELECT 1"))
        except Unavailable as error:
            _log.warning("%s: %s; tried again when it is needed", self._name, error)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Finish what is under way and close. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.submit(self._drop)
            await asyncio.to_thread(thread.shutdown)

    async def use(self, work: Work[Outcome]) -> Outcome:
        """What `work(cursor)` returns, committed. A caller that is cancelled before its turn withdraws it."""
        async with self._turn:
            if self._thread is None:
                raise StoreError("the store is closed", code="STORE_CLOSED")
            turn = self.guard.enter()
            try:
                outcome = await asyncio.get_running_loop().run_in_executor(self._thread, self._perform, work)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError):
                    self.guard.given_up(turn)
                else:
                    (self.guard.silent if is_away(error) else self.guard.answered)(turn)
                raise
            self.guard.answered(turn)
            return outcome

    # ---------------------------------------------------------------- in the thread

    def _perform(self, work: Work[Outcome]) -> Outcome:
        is_old, began = self._connection is not None, time.monotonic()
        try:
            return self._attempt(work)
        except TaskgateError:
            raise
        except Exception as error:
            if not (is_old and is_lost(error) and time.monotonic() - began < AT_ONCE_S):
                raise translated(error) from error
        try:
            return self._attempt(work)
        except Exception as error:
            raise translated(error) from error

    def _attempt(self, work: Work[Outcome]) -> Outcome:
        connection = self._connection or self._connect()
        try:
            with connection.cursor() as cursor:
                outcome = work(cursor)
            connection.commit()
        except BaseException:
            self._drop()  # a rollback would ask the server once more; a fresh connection is as cheap
            raise
        return outcome

    def _connect(self) -> Connection[Cursor]:
        connection = pymysql.connect(
            **self._arguments,
            charset="utf8mb4",
            autocommit=False,
            connect_timeout=CONNECT_S,
            read_timeout=self._timeout_s,
            write_timeout=self._timeout_s,
            max_allowed_packet=1 << 30,
        )
        self._connection = connection
        try:
            with connection.cursor() as cursor:
                for statement in SESSION:
                    cursor.execute(statement)
                self._look_at(cursor)
                self._prepare(cursor)
            connection.commit()
        except BaseException:
            self._drop()
            raise
        return connection

    def _look_at(self, cursor: Cursor) -> None:
        cursor.execute(ASKED)
        ((flush, packet),) = cursor.fetchall()
        if int(packet) < SMALLEST_PACKET:
            raise StoreError(
                f"max_allowed_packet is {packet}, an archive needs {SMALLEST_PACKET}", code="STORE_PACKET_TOO_SMALL"
            )
        self.packet_bytes = int(packet)
        if int(flush) != 1 and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "%s: innodb_flush_log_at_trx_commit is %s, not 1: what it confirms can be lost with its machine",
                self._name,
                flush,
            )

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection._force_close()  # type: ignore[attr-defined]


def guard_of(timeout_s: float) -> Guard:
    """The breaker that all lines to one server share. A line asks one thing at a time, so one silence is enough."""
    return Guard("archive", patience_s=timeout_s, code="ARCHIVE_AWAY", failures=1, open_s=AWAY_S)


def arguments_of(url: str) -> dict[str, Any]:
    """What the driver is told of `mysql://USER:PASSWORD@HOST:PORT/NAME?ssl_ca=FILE`; InvalidInput for anything else."""
    parts = urlsplit(url)
    database = unquote(parts.path.lstrip("/"))
    members = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if not parts.hostname or not database or set(members) - {"ssl_ca"}:
        raise InvalidInput(
            "archive.url is mysql://USER:PASSWORD@HOST:PORT/NAME, with ?ssl_ca=FILE where TLS is wanted",
            code="BAD_STORE_URL",
            extra={"path": "archive.url"},
        )
    tls = {"ssl_ca": members["ssl_ca"], "ssl_verify_cert": True, "ssl_verify_identity": True} if members else {}
    return {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": database,
        **tls,
    }
