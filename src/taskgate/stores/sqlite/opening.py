"""Opening a database file: what library, which settings, who may write.

One process writes a file: its lock lives as long as the process, whatever kills it. Libraries below 3.51.3 can
corrupt the write-ahead log when two connections write and checkpoint at once and are refused.
`synchronous=FULL`: a commit has returned only after the disk has confirmed it (INV-T2).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import apsw

from taskgate.errors import StoreError
from taskgate.stores.sqlite.failures import translated

OLDEST = (3, 51, 3)
BUSY_MS = 500  # somebody else's lock (an operator's shell): Unavailable within a second, not a hang
CACHE_KIB = 32 * 1024
STATEMENTS = 256
PAGE_BYTES = 8192  # rows carry their inputs: fewer, fuller pages per commit than with 4096
SETTINGS = (("synchronous", "FULL"), ("cache_size", -CACHE_KIB), ("trusted_schema", False), ("temp_store", "MEMORY"))


def check_library(version: str) -> None:
    """Raise StoreError for a SQLite that must not be trusted with a write-ahead log."""
    numbers = tuple(int(part) for part in version.split(".")[:3])
    if numbers < OLDEST:
        oldest = ".".join(str(number) for number in OLDEST)
        raise StoreError(
            f"SQLite {version} can corrupt a database under load (its write-ahead log bug is fixed in {oldest}); "
            "install a newer apsw",
            code="STORE_LIBRARY_TOO_OLD",
        )


class FileLock:
    """The right of this process to write a database file, kept beside it as `<file>.lock`."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Make the folder and take the lock, or raise StoreError naming the process that has it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be opened: {error.strerror}", code="STORE_UNREACHABLE") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreError(
                f"{self._path.parent} is in use by process {owner or 'unknown'}: one gateway owns a data directory",
                code="STORE_IN_USE",
            ) from error
        self._descriptor = descriptor
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds, only its owner's number is missing

    def release(self) -> None:
        """Give the lock back; the file stays, because removing it would race with the next owner."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def open_writer(path: Path) -> apsw.Connection:
    """The only connection that may write this file. The caller has its `FileLock`."""
    check_library(apsw.sqlite_lib_version())
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # its log and index get the same mode
        connection = apsw.Connection(str(path), statementcachesize=STATEMENTS)
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("page_size", PAGE_BYTES)  # of a new file; an old one keeps its own
        mode = connection.pragma("journal_mode", "WAL")
        if mode != "wal":
            connection.close()
            raise StoreError(f"{path} cannot have a write-ahead log (a network disk?)", code="STORE_NO_WAL")
        # Checkpoints are the writer's own work between two batches, never inside somebody's commit.
        connection.wal_autocheckpoint(0)
        for setting, value in SETTINGS:
            connection.pragma(setting, value)
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}", code="STORE_UNREACHABLE") from error
    except apsw.Error as error:
        raise translated(error) from error
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """A connection that can only read; each of its statements sees every commit that happened before it."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=STATEMENTS)
        connection.set_busy_timeout(BUSY_MS)
        for setting, value in (("cache_size", -CACHE_KIB), ("query_only", True), ("trusted_schema", False)):
            connection.pragma(setting, value)
    except apsw.Error as error:
        raise translated(error) from error
    return connection
