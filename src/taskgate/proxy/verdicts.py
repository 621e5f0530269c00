"""A run that stands on an `http` target: what its service is asked, and what the answer means for the run.

Pure. 2xx with JSON is the output. 408, 425, 429 and every 5xx may be tried again, 429 and 503 not before their
Retry-After; what was not to be reached or took too long too. Everything else would be answered the same again, and
moves the run on at once. Of a failed answer, status, content type and body are kept with the attempt.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from taskgate.errors import NotNow, TaskgateError, TooLarge, UpstreamError, UpstreamSlow
from taskgate.proxy.caller import Reply
from taskgate.proxy.pieces import plain
from taskgate.proxy.ports import Pair
from taskgate.reach.addresses import read_base_url
from taskgate.routes.service import Service
from taskgate.runs.run import Run
from taskgate.runs.task import Target
from taskgate.wire.depth import is_too_deep
from taskgate.wire.messages import TaskResult

AGAIN = frozenset({408, 425, 429})
PATIENT = frozenset({429, 503})
LONGEST_PAUSE_S = 86_400.0
KEPT_BYTES = 64 << 10
NULL = b"null"
MEDIA: tuple[Pair, ...] = ((b"content-type", b"application/json"), (b"accept", b"application/json"))


def target_of(service: Service, target: Target) -> bytes:
    """Path and query to ask: the base URL's own path, then the target's."""
    base = read_base_url(service.base_url).target
    return ((base + target.path) or "/").encode("ascii")


def headers_of(run: Run) -> tuple[Pair, ...]:
    """What the service is told of a run under lease; of the tenant as of any caller, what is not plain escaped."""
    told = {
        b"idempotency-key": f"{run.id}.{run.attempt}",
        b"x-taskgate-run": run.id,
        b"traceparent": run.traceparent,
        b"x-site-id": run.tenant.site_id,
        b"x-user-id": run.tenant.user_id,
        b"x-app-id": run.tenant.app_id,
    }
    return (*MEDIA, *((name, plain(text)) for name, text in told.items() if text))


def result_of_reply(run: Run, reply: Reply, *, now: float) -> TaskResult:
    """What the attempt came to, by its answer."""
    if 200 <= reply.status < 300:
        body = reply.body if reply.body.strip() else NULL
        why = _no_json(body)
        if why:
            return _failed(run, "UPSTREAM_NOT_JSON", why, retryable=False, reply=reply)
        return msgspec.structs.replace(_named(run), status="ok", result=msgspec.Raw(body))
    message = f"the service answered {reply.status}"
    if reply.status >= 500 or reply.status in AGAIN:
        retry_at = _retry_at(reply.header(b"retry-after"), now) if reply.status in PATIENT else None
        code = "UPSTREAM_LIMITED" if reply.status == 429 else "UPSTREAM_FAILED"
        return _failed(run, code, message, retryable=True, retry_at=retry_at, reply=reply)
    return _failed(run, "UPSTREAM_REFUSED", message, retryable=False, reply=reply)


def result_of_error(run: Run, error: TaskgateError, *, now: float) -> TaskResult:
    """What the attempt came to, where there was no answer."""
    if isinstance(error, TooLarge):
        return _failed(run, "OUTPUT_TOO_LARGE", error.detail, retryable=False)
    is_passing = isinstance(error, NotNow | UpstreamError)
    retry_at = now + error.retry_after_s if isinstance(error, NotNow) else None
    error_class = "timeout" if isinstance(error, UpstreamSlow) else "task"
    return _failed(run, error.code, error.detail, retryable=is_passing, retry_at=retry_at, error_class=error_class)


def _failed(
    run: Run,
    code: str,
    message: str,
    *,
    retryable: bool,
    retry_at: float | None = None,
    error_class: str = "task",
    reply: Reply | None = None,
) -> TaskResult:
    return msgspec.structs.replace(
        _named(run),
        status="error",
        error={"code": code, "message": message},
        error_class=error_class,
        retryable=retryable,
        retry_at=retry_at,
        result=msgspec.Raw(NULL if reply is None else _kept(reply)),
    )


def _named(run: Run) -> TaskResult:
    token = run.lease.token if run.lease is not None else ""
    return TaskResult(run_id=run.id, attempt=run.attempt, lease_token=token)


def _kept(reply: Reply) -> bytes:
    """The answer as it stands with the attempt; a body that is no JSON, or was cut, is text."""
    body = reply.body
    kept: dict[str, Any] = {"status": reply.status}
    media = reply.header(b"content-type")
    if media is not None:
        kept["content_type"] = media.decode("latin-1")
    if len(body) > KEPT_BYTES or _no_json(body):
        kept["body"] = body[:KEPT_BYTES].decode("utf-8", errors="replace")
        kept["body_bytes"] = len(body)
    else:
        kept["body"] = msgspec.Raw(body)
    return msgspec.json.encode(kept)


def _no_json(body: bytes) -> str:
    """Why this may not be embedded as JSON, "" when it may."""
    try:
        body.decode("utf-8")
        msgspec.json.decode(body, type=msgspec.Raw)
        return "the service answered JSON that is nested too deeply" if is_too_deep(body) else ""
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return "the service did not answer JSON"


def _retry_at(value: bytes | None, now: float) -> float | None:
    """When a Retry-After allows another try (RFC 9110, 10.2.3), at most a day away; None without a readable one."""
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return now + min(float(text[:9]), LONGEST_PAUSE_S)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(at, now), now + LONGEST_PAUSE_S)
