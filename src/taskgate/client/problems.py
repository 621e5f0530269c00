"""From what the gateway answered to the error a caller catches.

The class is found by the problem's `code` and status, else by its status alone, so that a code this version has
never heard of still lands in the right family. Numbers are those of `status.py`. A body that is no problem document
(a proxy's page) is not quoted: only its status is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from taskgate import errors
from taskgate.client.steps import Answer, Lost
from taskgate.status import row_of

_TOLD = frozenset({"type", "title", "status", "detail", "instance", "code", "message", "retryable"})
_BY_STATUS: dict[int, type[errors.TaskgateError]] = {
    row_of(kind).http: kind
    for kind in (
        errors.CallerError,
        errors.Unauthenticated,
        errors.Forbidden,
        errors.NotFound,
        errors.Conflict,
        errors.TooLarge,
        errors.InvalidInput,
        errors.Limited,
        errors.Unavailable,
    )
}


def _leaves(kind: type[errors.TaskgateError]) -> Iterator[type[errors.TaskgateError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from _leaves(child)


_BY_CODE = {kind.default_code: kind for kind in _leaves(errors.TaskgateError)}


def error_of(answer: Answer, now: float) -> errors.TaskgateError:
    """The error that an answer with a status of 400 or more stands for; `now` in epoch seconds."""
    problem = _document(answer.body)
    problem.setdefault("status", answer.status)
    if (after_s := retry_after_s(answer, now)) is not None:
        problem["retry_after_s"] = after_s
    return error_from(problem)


def error_from(problem: dict[str, Any]) -> errors.TaskgateError:
    """The error of a problem document's members, as they stand in an answer or in a batch's verdict."""
    status = problem.get("status") if isinstance(problem.get("status"), int) else 500
    code = str(problem.get("code") or f"HTTP_{status}")
    detail = str(problem.get("detail") or problem.get("message") or problem.get("title") or f"answered with {status}")
    extra = {name: value for name, value in problem.items() if name not in _TOLD and name != "retry_after_s"}
    kind = _kind(code, int(status or 500))
    if issubclass(kind, errors.RunEnded):
        return kind(detail, code=code, run_id=str(problem.get("run_id") or ""))
    if issubclass(kind, errors.NotNow):
        after_s = problem.get("retry_after_s")
        return kind(detail, code=code, extra=extra, retry_after_s=after_s if isinstance(after_s, int | float) else 1.0)
    return kind(detail, code=code, extra=extra)


def lost_error(lost: Lost) -> errors.Unavailable:
    """The error for an exchange that never came to its end."""
    return errors.Unavailable(lost.reason, code="UNREACHABLE")


def retry_after_s(answer: Answer, now: float) -> float | None:
    """Seconds that `Retry-After` asks for (a number or a date, RFC 9110 10.2.3); None when it says nothing."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None


def _kind(code: str, status: int) -> type[errors.TaskgateError]:
    kind = _BY_CODE.get(code)
    if kind is not None and row_of(kind).http == status:  # the same word may be said of something else
        return kind
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return errors.CallerError if 400 <= status < 500 else errors.TaskgateError


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
