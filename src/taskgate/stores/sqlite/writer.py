"""The one writer: every change of a database file goes through this thread, in group commits.

    idle ──call──▶ working ──commit──▶ telling ──▶ resting ──▶ working (what queued up meanwhile) or idle
                      │ one command fails          (checkpoint when due)
                      ├──────────▶ careful: the same commands again, each behind its own savepoint
                      │ the store fails
                      ├──────────▶ refused: nothing of the batch is stored, all get `Unavailable`; the next tries anew
                      └──────────▶ broken: the disk lied or the file is damaged; every command gets `StoreError`

Calls of one kind in a batch are performed together: `perform(connection, items)` gets all their items and
returns one outcome each. It runs inside the batch's transaction, and needs a few statements for many items,
because every statement gives up the interpreter lock and may wait a switch interval to get it back (128 rows
by `executemany` beside a busy loop: 195 ms; in one statement: 10 ms).

All calls of a batch are concurrent: none has been answered, so kinds may be performed in any order.

A command that fails must not take others with it. The quick way has no savepoints: whatever fails rolls the
batch back, and the careful way performs the same calls one by one, each behind a savepoint, so that only the
guilty one gets its error. `perform` therefore must not keep anything in memory that a rollback would not undo.

Nothing is told before COMMIT has returned, and COMMIT returns after the log is synced (INV-T2). A failed
COMMIT is a rollback: the log's end was not moved. Crash points:
    before COMMIT returns   nobody was told; after a restart the batch is there wholly or not at all
    after COMMIT            the batch is there; callers who were not told ask again with the same ids or keys
A full disk fails the batch at once and leaves the connection usable: the next batch tries again, so the
store mends itself when space returns, and readers never notice (F17); a checkpoint is tried as well, because a
log that starts over may need no more space at all. A failed write or sync of any other
kind ends writing for good (F19).

Checkpoints are made here, between batches and after the answers went out, never inside a commit: the
library's own checkpointing is off, and no second connection ever writes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

import apsw

from taskgate.errors import StoreError, TaskgateError
from taskgate.stores.sqlite.failures import is_fatal, is_general, translated
from taskgate.stores.sqlite.lane import Call, Lane
from taskgate.stores.sqlite.migrating import migrate
from taskgate.stores.sqlite.opening import FileLock, open_writer

_log = logging.getLogger(__name__)
CHECKPOINT_PAGES = 2000  # 16 MiB
RESTART_PAGES = 32_000  # 256 MiB of log: a reader has kept it from starting over, so the next checkpoint waits

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Perform = Callable[[apsw.Connection, list[Item]], Sequence[Outcome]]


class Writer:
    """Owns the writing connection of one file. `probe` is called at `before_commit` and `after_commit` in tests."""

    def __init__(
        self, path: Path, *, migrations: Traversable, probe: Callable[[str], None] | None = None, name: str = "sqlite"
    ) -> None:
        self._path = path
        self._migrations = migrations
        self._probe = probe
        self._file_lock = FileLock(path)
        self._connection: apsw.Connection | None = None
        self._lane = Lane(
            f"{name} writer", opened=self._open, work=self._work, rested=self._checkpoint, closed=self._close
        )
        self._pages = 0
        self._is_failing = False
        self.commit_count = 0
        self.broken: StoreError | None = None

    async def start(self) -> None:
        """Lock, open and migrate the file; StoreError when another process has it or the schema is newer."""
        await self._lane.start()

    async def stop(self) -> None:
        """Commit what was submitted, then close and give the lock back. Safe to call twice."""
        await self._lane.stop()

    def submit(self, perform: Perform[Item, Outcome], item: Item, *, weight: int = 1) -> asyncio.Future[Outcome]:
        """Have an item performed in the next group commit; the outcome is durable when the future has it.

        `weight` is how many ordinary items it stands for: it bounds a commit and what may wait for one.
        Cancelling the future withdraws nothing. Fails with Unavailable or StoreError.
        """
        return self._lane.submit(perform, item, weight=weight)

    # ---------------------------------------------------------------- in the thread

    def _open(self) -> None:
        self.broken = None
        self._file_lock.take()
        try:
            self._connection = open_writer(self._path)
            migrate(self._connection, self._migrations)
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        try:
            if self._connection is not None:
                self._connection.close()
        except apsw.Error:
            _log.exception("%s did not close cleanly", self._path.name)
        finally:
            self._connection = None
            self._file_lock.release()

    def _work(self, batch: list[Call]) -> None:
        connection = self._connection
        if connection is None or self.broken is not None:
            _fail(batch, self.broken or StoreError("the store is closed", code="STORE_CLOSED"), 0)
            return
        try:
            self._attempt(connection, batch)
        except Exception as error:
            self._repair(connection, batch, error)
        else:
            if self._is_failing:
                self._is_failing = False
                _log.warning("%s: commits succeed again", self._path.name)

    def _repair(self, connection: apsw.Connection, batch: list[Call], error: Exception) -> None:
        """The quick way failed: find the guilty call, or fail them all where the store itself has failed."""
        try:
            system_errno = connection.system_errno if is_general(error) else 0
            _roll_back(connection)
            if not is_general(error):
                try:
                    self._attempt(connection, batch, careful=True)
                    return
                except Exception as second:
                    error, system_errno = second, connection.system_errno if is_general(second) else 0
                    _roll_back(connection)
        except Exception as worse:
            error, system_errno = worse, 0
        if is_fatal(error, system_errno):
            self.broken = StoreError("the database cannot be written safely any more", code="STORE_BROKEN")
            self.broken.__cause__ = error
            _log.critical("%s: writing has ended for good: %s", self._path.name, error)
        elif not self._is_failing:
            self._is_failing = True
            _log.error("%s: commits fail: %s", self._path.name, error)
        # a log that can start over needs no more room on a full disk
        self._pages = CHECKPOINT_PAGES
        _fail(batch, error, system_errno)

    def _attempt(self, connection: apsw.Connection, batch: list[Call], *, careful: bool = False) -> None:
        connection.execute("BEGIN IMMEDIATE")
        if careful:
            for call in batch:
                _perform_alone(connection, call)
        else:
            kinds: dict[Callable[..., Sequence[object]], list[Call]] = {}
            for call in batch:
                kinds.setdefault(call.perform, []).append(call)
            for perform, calls in kinds.items():
                outcomes = perform(connection, [call.item for call in calls])
                for call, outcome in zip(calls, outcomes, strict=True):
                    call.outcome = outcome
        if self._probe is not None:
            self._probe("before_commit")
        connection.execute("COMMIT")
        self.commit_count += 1
        if self._probe is not None:
            self._probe("after_commit")

    def _checkpoint(self) -> None:
        """Move the log into the file when enough pages were written; failing to costs space, not data."""
        connection = self._connection
        if connection is None or self.broken is not None:
            return
        written, _ = connection.status(apsw.SQLITE_DBSTATUS_CACHE_WRITE, True)
        self._pages += written
        if self._pages < CHECKPOINT_PAGES:
            return
        self._pages = 0
        try:
            log_pages, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if log_pages > RESTART_PAGES:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        except apsw.Error as error:
            if is_fatal(error, connection.system_errno):
                self.broken = StoreError("the database cannot be written safely any more", code="STORE_BROKEN")
            _log.warning("%s: checkpoint failed: %s", self._path.name, error)


def _perform_alone(connection: apsw.Connection, call: Call) -> None:
    """Perform one call behind a savepoint; a failure that is its own becomes its outcome."""
    connection.execute("SAVEPOINT item")
    try:
        (call.outcome,) = call.perform(connection, [call.item])
    except Exception as error:
        if is_general(error):
            raise
        connection.execute("ROLLBACK TO item")
        call.outcome = translated(error)
    connection.execute("RELEASE item")


def _roll_back(connection: apsw.Connection) -> None:
    """End the transaction, unless the library has already done so."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _fail(batch: list[Call], error: BaseException, system_errno: int) -> None:
    for call in batch:
        call.outcome = _own_copy(error, system_errno)


def _own_copy(error: BaseException, system_errno: int) -> TaskgateError:
    """Every caller raises an instance of its own, so that tracebacks do not pile up on a shared one."""
    if isinstance(error, StoreError):
        copy = StoreError(error.detail, code=error.code)
        copy.__cause__ = error.__cause__
        return copy
    return translated(error, system_errno)
