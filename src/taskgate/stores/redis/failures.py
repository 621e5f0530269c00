"""What a failure of Redis means for whoever asked: the one place where its exceptions are translated.

`Unavailable` mends itself (the server is away, starting, full, or gives way to another one); `StoreError` needs an
operator (a wrong password or certificate, a right that is missing, a server that cannot be used). An answer to one
command says nothing about the connection; everything else ends it.
"""

from __future__ import annotations

from redis import exceptions

from taskgate.errors import StoreError, TaskgateError, Unavailable

RETRY_S = 1.0
_FULL = ("OOM",)
_PASSING = ("LOADING", "BUSY", "MISCONF", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "NOREPLICAS")
_DENIED = ("NOAUTH", "NOPERM", "WRONGPASS", "Authentication")
_AWAY = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.InvalidResponse, OSError, TimeoutError)


def away(why: str) -> Unavailable:
    """Redis cannot be asked now."""
    return Unavailable(f"Redis is away: {why}", retry_after_s=RETRY_S, code="REDIS_AWAY")


def translated(error: BaseException) -> TaskgateError:
    """Our error for one of the driver's; our own pass through."""
    if isinstance(error, TaskgateError):
        return error
    said = str(error) or type(error).__name__
    if isinstance(error, exceptions.OutOfMemoryError) or said.startswith(_FULL):
        return Unavailable("Redis is full: maxmemory is reached", retry_after_s=RETRY_S, code="REDIS_FULL")
    denied = exceptions.AuthenticationError | exceptions.AuthorizationError | exceptions.NoPermissionError
    if isinstance(error, denied) or said.startswith(_DENIED):
        return StoreError(f"Redis refuses this gateway: {said}", code="REDIS_REFUSES")
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return StoreError(f"the certificate of Redis is not believed: {said}", code="REDIS_UNTRUSTED")
    passing = exceptions.BusyLoadingError | exceptions.ReadOnlyError | exceptions.ClusterDownError
    if isinstance(error, passing) or said.startswith(_PASSING) or isinstance(error, _AWAY):
        return away(said)
    return StoreError(f"Redis cannot do this: {said}", code="REDIS_ERROR")


def ends_the_connection(error: BaseException) -> bool:
    """Whether nothing more is to be hoped from the connection on which this came: also where another server is the
    one to be asked now."""
    return not isinstance(error, exceptions.ResponseError) or isinstance(error, exceptions.ReadOnlyError)
