"""What the scheduler writes, as submissions; what is no order, with the reason. Pure.

An entry is flat: texts by name, those that are not plain texts as JSON. Its `run_id` (or `task_id`) is the
scheduler's own id of the run and becomes the idempotency key, so that an entry that is read twice is one run.
The run's input is the whole entry as one JSON object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from taskgate.errors import InvalidInput
from taskgate.runs.intake import Submission
from taskgate.trace import known_traceparent
from taskgate.wire.depth import is_too_deep

MAX_BYTES = 16 << 20
_PARSED = frozenset({"params", "environment", "is_compressed", "require_render"})
_ID = re.compile(r"[\x21-\x7e]{1,200}")
_WHOLE = re.compile(r"-?\d{1,9}")
CANCELS = frozenset({"cancel", "kill"})

Fields = Mapping[bytes, bytes]


def order_of(fields: Fields, *, default_task: str) -> tuple[str, Submission]:
    """The scheduler's id and the submission. InvalidInput with a `code` for an entry that can never become a run."""
    texts = _texts(fields)
    order_id = texts.get("run_id") or texts.get("task_id") or ""
    if _ID.fullmatch(order_id) is None:
        raise InvalidInput("run_id and task_id are missing or not usable as an id", code="NO_RUN_ID")
    content: dict[str, Any] = {name: _parsed(name, text) for name, text in texts.items()}
    content["priority"] = priority = _whole(texts, "priority", low=-1_000_000, high=1_000_000)
    content["timeout"] = timeout_s = _whole(texts, "timeout", low=0, high=366 * 86_400)
    content["run_id"] = order_id
    task = content.get("task") or default_task
    return order_id, Submission(
        task=str(task),
        input=msgspec.json.encode(content),
        priority=priority,
        timeout_s=float(timeout_s) if timeout_s else None,
        idempotency_key=order_id,
        traceparent=known_traceparent(texts.get("traceparent", "")),
    )


def cancelled_in(fields: Fields) -> str:
    """The scheduler's id of the run that an order to a worker cancels; empty for every other order."""
    try:
        texts = _texts(fields)
    except InvalidInput:
        return ""
    if str(_unquoted(texts.get("control_type", ""))) not in CANCELS:
        return ""
    order_id = str(_unquoted(texts.get("run_id") or texts.get("task_id") or ""))
    return order_id if _ID.fullmatch(order_id) else ""


def _texts(fields: Fields) -> dict[str, str]:
    if sum(len(name) + len(value) for name, value in fields.items()) > MAX_BYTES:
        raise InvalidInput(f"the entry is larger than {MAX_BYTES} bytes", code="ENTRY_TOO_LARGE")
    try:
        return {name.decode(): value.decode() for name, value in fields.items()}
    except UnicodeDecodeError:
        raise InvalidInput("the entry is not UTF-8", code="NOT_TEXT") from None


def _parsed(name: str, text: str) -> Any:
    """A member's value; only those that are known to be JSON are read as such."""
    if name not in _PARSED or not text:
        return text
    if is_too_deep(text.encode()):
        raise InvalidInput(f"{name} is nested too deeply", code="NOT_JSON")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidInput(f"{name} is not JSON", code="NOT_JSON") from None


def _unquoted(text: str) -> Any:
    """A text, also where it was written as a JSON string."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _whole(texts: Mapping[str, str], name: str, *, low: int, high: int) -> int:
    text = texts.get(name, "").strip()
    if text in ("", "null", "None"):
        return 0
    if _WHOLE.fullmatch(text) is None:
        raise InvalidInput(f"{name} is no whole number", code="NOT_A_NUMBER")
    return min(max(int(text), low), high)
