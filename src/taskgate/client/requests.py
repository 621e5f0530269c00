"""The request of every verb: pure functions from arguments to `Request`.

Names that come from outside become one path segment each, whatever they hold. What is not JSON is refused here,
before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict
from urllib.parse import quote, urlencode

import msgspec

from taskgate.client.steps import Request
from taskgate.errors import InvalidInput

EVENTS = "text/event-stream"
WAIT_S = 25.0  # one long poll: shorter than the idle limits of proxies on the way
GRACE_S = 10.0  # how much longer than a promised wait an answer may take


class SubmitOptions(TypedDict, total=False):
    """What may be said about a run beside its input. Seconds; `run_at` a datetime or epoch seconds."""

    priority: int
    delay_s: float
    run_at: datetime | float
    timeout_s: float
    deadline_s: float
    labels: Mapping[str, str]
    version: str


class RunQuery(TypedDict, total=False):
    """Which runs are wanted; `label` is `name=value`."""

    task: str
    status: str
    label: str
    dead: bool


def submit(task: str, value: Any, *, key: str, options: Mapping[str, Any], wait_s: float = 0.0) -> Request:
    """One run; `key` makes it repeatable, `wait_s` asks for the ended run in the same answer."""
    headers = {"Idempotency-Key": quoted(key)}
    if wait_s > 0:
        headers["Prefer"] = f"wait={max(1, round(wait_s))}"
    content = {"input": value, **spoken(options)}
    return posted(f"/v1/tasks/{segment(task)}/runs", content, headers=headers, wait_s=wait_s)


def spoken(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the gateway reads them: a moment is told with its offset, epoch seconds as UTC."""
    told = dict(options)
    run_at = told.get("run_at")
    if isinstance(run_at, int | float):
        told["run_at"] = datetime.fromtimestamp(run_at, UTC)
    elif isinstance(run_at, datetime):
        told["run_at"] = run_at.astimezone()
    return told


def batch(task: str, items: list[msgspec.Raw]) -> Request:
    """Up to 1,000 runs of one task, each item with a key of its own."""
    return posted(f"/v1/tasks/{segment(task)}/runs/batch", {"items": items})


def run(run_id: str) -> Request:
    """One run, whole."""
    return Request(method="GET", path=f"/v1/runs/{segment(run_id)}")


def runs(query: Mapping[str, Any], *, limit: int, cursor: str) -> Request:
    """One page of runs, newest first."""
    wanted = {name: ("true" if value is True else value) for name, value in query.items() if value not in ("", False)}
    page = {"limit": limit, "cursor": cursor} if cursor else {"limit": limit}
    return Request(method="GET", path="/v1/runs?" + urlencode({**wanted, **page}))


def wait(run_ids: list[str], *, wait_s: float) -> Request:
    """Those of the runs that have ended, as soon as one has."""
    return posted("/v1/runs/wait", {"ids": run_ids, "timeout_s": wait_s}, wait_s=wait_s)


def journal(run_id: str, *, after: int, limit: int) -> Request:
    """One page of a journal."""
    return Request(method="GET", path=f"/v1/runs/{segment(run_id)}/journal?after={after}&limit={limit}")


def follow(run_id: str, *, after: int) -> Request:
    """The live journal after a number; `answer_s` covers the comments that a living stream sends."""
    return Request(
        method="GET",
        path=f"/v1/runs/{segment(run_id)}/journal",
        headers={"Accept": EVENTS, "Cache-Control": "no-store", "Last-Event-ID": str(after)},
        answer_s=45.0,
    )


def posted(
    path: str,
    content: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    repeatable: bool = True,
    wait_s: float = 0.0,
    method: str = "POST",
) -> Request:
    """A request with a JSON body."""
    return Request(
        method=method,
        path=path,
        headers={"Content-Type": "application/json", **(headers or {})},
        body=b"" if content is None else encoded(content),
        repeatable=repeatable,
        answer_s=None if wait_s <= 0 else wait_s + GRACE_S,
    )


def encoded(value: Any) -> bytes:
    """JSON bytes; raises InvalidInput (NOT_JSON) for what JSON cannot say."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"this cannot be sent as JSON: {error}", code="NOT_JSON") from error


def segment(name: str) -> str:
    """A name as one path segment that no server reads as a step up or down."""
    if name in ("", ".", ".."):
        raise InvalidInput(f"{name!r} is no name", code="BAD_NAME")
    return quote(name, safe="")


def quoted(key: str) -> str:
    """An idempotency key as a structured-field string (RFC 8941 3.3.3)."""
    if not key or len(key) > 255 or not (key.isascii() and key.isprintable()):
        raise InvalidInput("an idempotency key has 1 to 255 printable ASCII characters", code="BAD_IDEMPOTENCY_KEY")
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
