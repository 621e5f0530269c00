"""Errors as `application/problem+json` (RFC 9457).

One body carries both spellings: the problem members and `code`, `message`, `detail`. Nothing that a caller sent
is repeated here except field names and the path, both cut short; a secret never gets this far. Shared by the
application and the data plane, so that both answer alike.
"""

from __future__ import annotations

import math

import msgspec

from taskgate.errors import NotNow, TaskgateError, Unauthenticated, WrongMethod
from taskgate.status import row_of

Header = tuple[bytes, bytes]
PROBLEM_JSON = b"application/problem+json"
FROM_GATEWAY: Header = (b"gateway-error-source", b"gateway")
MAX_DETAIL_LENGTH = 500
MAX_INSTANCE_LENGTH = 200


def members_of(error: TaskgateError, *, instance: str, trace_id: str) -> dict[str, object]:
    """The problem document of an error, ready to be encoded. An extra `status` is a run's: `run_status`."""
    row = row_of(error)
    detail = printable(error.detail or row.title)
    members: dict[str, object] = {
        "type": f"urn:taskgate:error:{error.code.lower().replace('_', '-')}",
        "title": row.title,
        "status": row.http,
        "detail": detail,
        "instance": instance[:MAX_INSTANCE_LENGTH],
        "code": error.code,
        "message": detail,
        "trace_id": trace_id,
        "retryable": row.retryable,
    }
    for name, value in error.extra.items():
        members.setdefault(f"run_{name}" if name in ("status", "type") else name, value)
    return members


def encode_problem(error: TaskgateError, *, instance: str, trace_id: str) -> tuple[int, bytes, list[Header]]:
    """(status, body, headers besides the usual ones) of an error."""
    members = members_of(error, instance=instance, trace_id=trace_id)
    headers: list[Header] = [FROM_GATEWAY]
    if isinstance(error, NotNow):
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode("ascii")))
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="taskgate"'))
    if isinstance(error, WrongMethod):
        headers.append((b"allow", str(error.extra.get("allow", "")).encode("ascii", "ignore")))
    return row_of(error).http, msgspec.json.encode(members), headers


def printable(text: str) -> str:
    """One line for people: control and direction characters out, cut at a sane length."""
    line = "".join(char if char.isprintable() else " " for char in text[: 2 * MAX_DETAIL_LENGTH])
    return line if len(line) <= MAX_DETAIL_LENGTH else line[: MAX_DETAIL_LENGTH - 3] + "..."
