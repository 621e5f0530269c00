"""What a failure of MariaDB or MySQL means for whoever asked: the one place where its exceptions are translated.

`Unavailable` mends itself (a restart, a full disk, a lock), `StoreError` needs an operator.
"""

from __future__ import annotations

import ssl

import pymysql

from taskgate.errors import InvalidInput, StoreError, TaskgateError, Unavailable

AWAY = "ARCHIVE_AWAY"
_LOST = frozenset({0, 1053, 1927, 2003, 2006, 2013, 2014, 2055, 3032, 4031})
_BUSY = frozenset({1040, 1203, 1205, 1206, 1213, 1226, 1317, 1969, 3024})
_FULL = frozenset({3, 28, 1021, 1026, 1114})
_READ_ONLY = frozenset({1290, 1792, 1836})
_TEXT = frozenset({1300, 1366, 1406, 3854})
_OPERATOR = {
    1044: ("the user of archive.url may not use this database", "STORE_REFUSED"),
    1045: ("the server refuses the credential in archive.url", "STORE_REFUSED"),
    1049: ("the database of archive.url does not exist", "STORE_MISSING"),
    1142: ("the user of archive.url may not do this", "STORE_REFUSED"),
    1146: ("a table of the archive is missing", "STORE_OUTDATED"),
    1153: ("max_allowed_packet of the server is smaller than a row of the archive", "STORE_PACKET_TOO_SMALL"),
    1698: ("the server refuses the credential in archive.url", "STORE_REFUSED"),
    1820: ("the password in archive.url has expired", "STORE_REFUSED"),
    1862: ("the password in archive.url has expired", "STORE_REFUSED"),
    2026: ("archive.url wants TLS, and the server has none", "STORE_UNTRUSTED"),
    3118: ("the user of archive.url is locked", "STORE_REFUSED"),
    3955: ("the user of archive.url is locked", "STORE_REFUSED"),
    4151: ("the user of archive.url is locked", "STORE_REFUSED"),
}


def is_lost(error: BaseException) -> bool:
    """Whether the connection is of no use any more."""
    if isinstance(error, pymysql.MySQLError):
        return number_of(error) in _LOST or isinstance(error, pymysql.InterfaceError)
    return isinstance(error, OSError)


def is_away(error: BaseException) -> bool:
    """Whether nobody answers there, said of a translated error: a line that was lost has been made again by then."""
    return isinstance(error, Unavailable) and error.code == AWAY


def number_of(error: BaseException) -> int:
    """The server's or the driver's number of an error, -1 for none."""
    number = error.args[0] if error.args else -1
    return number if isinstance(number, int) else -1


def translated(error: BaseException) -> TaskgateError:
    """Our error for one of the driver's, with it as its cause; our own errors pass through."""
    if isinstance(error, TaskgateError):
        return error
    ours = _meaning(error)
    ours.__cause__ = error
    return ours


def _meaning(error: BaseException) -> TaskgateError:
    number = number_of(error)
    doubt = _doubt(error)
    if doubt:
        return StoreError(doubt, code="STORE_UNTRUSTED")
    if is_lost(error):
        return Unavailable("the archive's server is away", code=AWAY, retry_after_s=2.0)
    if number in _BUSY:
        return Unavailable("the archive's server is busy", code="ARCHIVE_BUSY", retry_after_s=1.0)
    if number in _FULL:
        return Unavailable("the disk of the archive's server is full", code="ARCHIVE_FULL", retry_after_s=5.0)
    if number in _READ_ONLY:
        return Unavailable("the archive's server is read-only", code="ARCHIVE_READ_ONLY", retry_after_s=5.0)
    if number in _TEXT:
        return InvalidInput("a text holds characters that the archive cannot store", code="UNSTORABLE_TEXT")
    if number in _OPERATOR:
        detail, code = _OPERATOR[number]
        return StoreError(detail, code=code)
    return StoreError(f"the archive's server refused a statement: {type(error).__name__} {number}")


def _doubt(error: BaseException) -> str:
    """Why no connection can be trusted, "" for other failures. To the driver most of it is a server that is away."""
    if isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError | ssl.SSLError):
        return f"ssl_ca in archive.url is no file of certificates that can be read: {type(error).__name__}"
    refused = getattr(error, "original_exception", None)
    if isinstance(refused, ssl.SSLCertVerificationError):
        return f"the certificate of the archive's server is not believed: {refused.verify_message}"
    return ""
