"""What a failure of PostgreSQL means for whoever asked: the one place where its exceptions are translated.

`Unavailable` mends itself (a restart, a failover, a full pool), `StoreError` needs an operator, `InvalidInput` is the
fault of one caller's text. Three questions decide what a writer may do:
    is_lost        the connection went away in the middle: nobody knows whether the statement was committed
    is_contended   the server chose this transaction to give way: nothing of it is stored, the same again will do
    is_general     it would have failed for everybody; anything else is the fault of one item of the batch
"""

from __future__ import annotations

import ssl

import asyncpg

from taskgate.errors import InvalidInput, StoreError, TaskgateError, Unavailable

CONTENDED = frozenset({"40001", "40P01"})
_LOST = frozenset({"57P01", "57P02", "57P04", "57P05", "08000", "08003", "08006", "08007", "25P03"})
_UNSTORABLE = frozenset({"22021", "22P05"})  # text with a NUL, or what the encoding does not have
_SLOW = Unavailable, "the database gave the statement up", "STORE_SLOW", 1.0
_AWAY = Unavailable, "the database is away", "STORE_AWAY", 1.0
_BUSY = Unavailable, "the database has no room for another connection", "STORE_BUSY", 1.0
_MEANINGS: dict[str, tuple[type[Unavailable], str, str, float]] = {
    "57014": _SLOW,
    "55P03": (Unavailable, "somebody else holds the lock", "STORE_BUSY", 1.0),
    "40001": (Unavailable, "too many change the same rows", "STORE_BUSY", 0.5),
    "40P01": (Unavailable, "too many change the same rows", "STORE_BUSY", 0.5),
    "25006": (Unavailable, "the database is read-only: a standby, or switched so", "STORE_READ_ONLY", 5.0),
    "53000": _BUSY,
    "53100": (Unavailable, "the disk of the database is full", "STORE_FULL", 5.0),
    "53200": (Unavailable, "the database is out of memory", "STORE_BUSY", 1.0),
    "53300": _BUSY,
    "53400": _BUSY,
    "57P03": (Unavailable, "the database is starting or stopping", "STORE_AWAY", 1.0),
}
_OPERATOR = {
    "28": ("the database refuses the credential in database.url", "STORE_REFUSED"),
    "3D": ("the database of database.url does not exist", "STORE_MISSING"),
    "42501": ("the role of database.url may not do this", "STORE_REFUSED"),
    "42P01": ("a table is missing: run `taskgate db upgrade`", "STORE_OUTDATED"),
    "42703": ("a column is missing: run `taskgate db upgrade`", "STORE_OUTDATED"),
    "58": ("the database cannot read or write its files", "STORE_BROKEN"),
    "XX": ("the database reports damage", "STORE_BROKEN"),
}


def is_lost(error: BaseException) -> bool:
    """Whether the connection ended while something was under way on it."""
    if isinstance(error, asyncpg.PostgresError):
        return _state(error) in _LOST
    if isinstance(error, asyncpg.InterfaceError):
        # The driver has one class for a closed connection, which its pool takes back, and for our own mistakes.
        return "clos" in str(error) or "released" in str(error)
    # What the driver cannot read in the middle of a crash is its own kind of error.
    return not _closed_file(error) and isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError)


def is_away(error: BaseException) -> bool:
    """Whether nobody answers there, said of an error of connecting."""
    if isinstance(error, asyncpg.PostgresError):
        return _state(error) == "57P03" or _state(error).startswith("08")
    return is_lost(error)


def is_contended(error: BaseException) -> bool:
    """Whether the same statement may simply be performed again."""
    return isinstance(error, asyncpg.PostgresError) and _state(error) in CONTENDED


def is_general(error: BaseException) -> bool:
    """Whether the store itself has failed, and not one item of a batch."""
    if isinstance(error, asyncpg.DataError | UnicodeError):
        return False
    if not isinstance(error, asyncpg.PostgresError):
        return True
    state = _state(error)
    return state[:2] not in {"22", "23", "54"}


def translated(error: BaseException) -> TaskgateError:
    """Our error for one of the driver's, with it as its cause; our own errors pass through."""
    if isinstance(error, TaskgateError):
        return error
    ours = _meaning(error)
    ours.__cause__ = error
    return ours


def _meaning(error: BaseException) -> TaskgateError:
    state = _state(error) if isinstance(error, asyncpg.PostgresError) else ""
    if state in _UNSTORABLE or isinstance(error, UnicodeError | asyncpg.DataError):
        return InvalidInput("a text holds characters that the database cannot store", code="UNSTORABLE_TEXT")
    if state in _MEANINGS:
        kind, detail, code, retry_after_s = _MEANINGS[state]
        return kind(detail, code=code, retry_after_s=retry_after_s)
    for key in (state, state[:2]):
        if key in _OPERATOR:
            detail, code = _OPERATOR[key]
            return StoreError(detail, code=code)
    if isinstance(error, ssl.SSLCertVerificationError):
        return StoreError(f"the certificate of the database is not believed: {error.reason}", code="STORE_UNTRUSTED")
    if file := _closed_file(error):
        detail = f"the driver may not read {file}, where it looks for a certificate or a password"
        return StoreError(detail, code="STORE_REFUSED")
    if is_lost(error) or state.startswith("08"):
        kind, detail, code, retry_after_s = _AWAY
        return kind(detail, code=code, retry_after_s=retry_after_s)
    return StoreError(f"the database refused a statement: {type(error).__name__}")


def _closed_file(error: BaseException) -> str:
    """The file that this process may not read, as below a HOME that is hidden from it; "": it is about none."""
    return str(error.filename or "") if isinstance(error, PermissionError) else ""


def _state(error: asyncpg.PostgresError) -> str:
    return str(getattr(error, "sqlstate", None) or "")
