"""What a failure of SQLite means for whoever asked: the one place where its exceptions are translated.

`Unavailable` mends itself (disk full, somebody else's lock), `StoreError` needs an operator. A failure is
*general* when it is not the fault of one statement: then every command of the batch has failed with it.
A failed write or sync of the disk is never retried on the same connection, because the kernel may have
dropped the pages that it could not write and would answer the next sync with success.
"""

from __future__ import annotations

import errno

import apsw

from taskgate.errors import StoreError, TaskgateError, Unavailable

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
# Growing the shared index of the write-ahead log fails with this where the disk is full.
_GROWTH = frozenset({apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_SHMOPEN, apsw.SQLITE_IOERR_SHMMAP})
_GENERAL = (
    apsw.FullError,
    apsw.IOError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.PermissionsError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.NoMemError,
    apsw.InterruptError,
)


def is_general(error: BaseException) -> bool:
    """Whether the store itself has failed, and not one statement of one caller."""
    return isinstance(error, _GENERAL)


def is_full(error: BaseException, system_errno: int = 0) -> bool:
    """Whether there was no room on the disk."""
    if isinstance(error, apsw.FullError):
        return True
    if not isinstance(error, apsw.IOError):
        return False
    return system_errno in NO_SPACE or getattr(error, "extendedresult", 0) in _GROWTH


def is_fatal(error: BaseException, system_errno: int = 0) -> bool:
    """Whether this connection must not write again: the state of the disk is unknown or known to be broken."""
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return True
    return isinstance(error, apsw.IOError) and not is_full(error, system_errno)


def translated(error: BaseException, system_errno: int = 0) -> TaskgateError:
    """Our error for one of SQLite's, with it as its cause; our own errors pass through."""
    if isinstance(error, TaskgateError):
        return error
    ours = _meaning(error, system_errno)
    ours.__cause__ = error
    return ours


def _meaning(error: BaseException, system_errno: int) -> TaskgateError:
    if is_full(error, system_errno):
        return Unavailable("the disk of the store is full", code="STORE_FULL", retry_after_s=1.0)
    if isinstance(error, apsw.BusyError | apsw.LockedError | apsw.ProtocolError):
        return Unavailable("another process holds the database", code="STORE_BUSY", retry_after_s=1.0)
    if isinstance(error, apsw.NoMemError | apsw.InterruptError):
        return Unavailable("the store could not finish", code="STORE_BUSY", retry_after_s=1.0)
    if is_fatal(error, system_errno):
        return StoreError("the database cannot be written or read safely any more", code="STORE_BROKEN")
    if isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError):
        return StoreError("the database cannot be opened for writing", code="STORE_READ_ONLY")
    return StoreError(f"the store refused a statement: {type(error).__name__}")
