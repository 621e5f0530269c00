"""The one table from error class to HTTP status, gRPC status and WebSocket close code.

Nothing else in taskgate knows these numbers. A class without a row of its own takes the row of its
nearest parent; a test demands a row for every leaf of the tree in `errors.py`.
gRPC codes are the numbers of google.rpc.Code; close codes are those of INTERFACES section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from taskgate import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one error class is told to the outside."""

    http: int
    grpc: int
    close: int
    title: str
    retryable: bool = False


ROWS: dict[type[errors.TaskgateError], Row] = {
    errors.TaskgateError: Row(http=500, grpc=13, close=1011, title="Internal error"),
    errors.CallerError: Row(http=400, grpc=3, close=1008, title="Bad request"),
    errors.Malformed: Row(http=400, grpc=3, close=1007, title="Malformed request"),
    errors.InvalidInput: Row(http=422, grpc=3, close=1008, title="Invalid input"),
    errors.Unauthenticated: Row(http=401, grpc=16, close=4401, title="Authentication required"),
    errors.Forbidden: Row(http=403, grpc=7, close=4403, title="Forbidden"),
    errors.NotFound: Row(http=404, grpc=5, close=1008, title="Not found"),
    errors.WrongMethod: Row(http=405, grpc=12, close=1008, title="Method not allowed"),
    errors.Conflict: Row(http=409, grpc=10, close=4409, title="Conflict"),
    errors.KeyReused: Row(http=422, grpc=6, close=1008, title="Idempotency key reused"),
    errors.OutOfRange: Row(http=416, grpc=11, close=1008, title="Range not satisfiable"),
    errors.TooLarge: Row(http=413, grpc=8, close=1009, title="Too large"),
    errors.HeadTooLarge: Row(http=431, grpc=8, close=1009, title="Request head too large"),
    errors.TooSlow: Row(http=408, grpc=4, close=4408, title="Request too slow", retryable=True),
    errors.Limited: Row(http=429, grpc=8, close=4429, title="Too many requests", retryable=True),
    errors.Unavailable: Row(http=503, grpc=14, close=1013, title="Temporarily unavailable", retryable=True),
    errors.UpstreamBroken: Row(http=502, grpc=14, close=1014, title="Bad gateway", retryable=True),
    errors.UpstreamSlow: Row(http=504, grpc=4, close=1014, title="Gateway timeout", retryable=True),
    errors.LoopDetected: Row(http=508, grpc=9, close=1014, title="Loop detected"),
    errors.RunFailed: Row(http=409, grpc=10, close=1008, title="Run failed"),
    errors.RunCancelled: Row(http=409, grpc=1, close=1008, title="Run cancelled"),
    errors.RunTimedOut: Row(http=409, grpc=4, close=1008, title="Run timed out"),
    errors.PackageRefused: Row(http=422, grpc=3, close=1008, title="Package refused"),
    errors.LocalLinkError: Row(http=500, grpc=13, close=1011, title="Internal link error"),
    errors.RemoteLinkError: Row(http=400, grpc=3, close=1002, title="Protocol error"),
    errors.LeaseLost: Row(http=409, grpc=10, close=4001, title="Lease lost"),
    errors.StoreError: Row(http=500, grpc=13, close=1011, title="Store error"),
}


def row_of(error: type[errors.TaskgateError] | errors.TaskgateError) -> Row:
    """The row of an error or error class: its own, else its nearest parent's."""
    cls = error if isinstance(error, type) else type(error)
    for parent in cls.__mro__:
        row = ROWS.get(parent)
        if row is not None:
            return row
    return ROWS[errors.TaskgateError]


# Close codes of connections that ended for another reason than an error of ours: (gRPC status).
_ENDINGS = {1000: 0, 1001: 14, 1012: 14, 4408: 14}


def grpc_of_close(close: int) -> int:
    """The gRPC status that ends a stream where a WebSocket would be closed with this code."""
    if close in _ENDINGS:
        return _ENDINGS[close]
    return next((row.grpc for row in ROWS.values() if row.close == close), 2)
