"""From what a task returned or raised to what the gateway is told.

An output is JSON or it is an error that names the place; an error carries the exception's type, message and
traceback. Neither ever fails: whatever a task returns or raises, an answer goes out.
"""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Iterator
from typing import Any

import msgspec

from taskgate.wire.depth import DEEPEST, is_too_deep
from taskgate.worker.verdicts import NonRetryable, Retry, RunStopped

MESSAGE_CHARS = 8 << 10
TRACEBACK_CHARS = 16 << 10
_encode = msgspec.json.Encoder().encode
_OURS = __file__.rpartition("/")[0]


class Answer(msgspec.Struct, frozen=True, gc=False):
    """How a run ended: `body` is the JSON of its output, or of its error `{message, type, …}`."""

    is_ok: bool
    body: bytes
    code: str = ""
    error_class: str = ""
    retryable: bool | None = None
    retry_at: float | None = None


def output(value: Any, max_bytes: int) -> Answer:
    """The answer of a task that returned."""
    try:
        body = _encode(value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        place = next(_unfit(value, "$", 0), f"it cannot be written as JSON: {error}")
        return refusal("OUTPUT_NOT_JSON", f"the task's result is not JSON: {place}")
    if len(body) > max_bytes:
        return refusal("OUTPUT_TOO_LARGE", f"the result has {len(body)} bytes of JSON, {max_bytes} are allowed")
    if is_too_deep(body):
        return refusal("OUTPUT_TOO_DEEP", f"the result is nested deeper than {DEEPEST} levels")
    return Answer(True, body)


def refusal(code: str, message: str, *, path: str | None = None, kind: str = "invalid") -> Answer:
    """An error that would come again with the same input."""
    error = {"message": message[:MESSAGE_CHARS]}
    if path is not None:
        error["path"] = path
    return Answer(False, _encode(error), code, kind, retryable=False)


def failure(error: BaseException) -> Answer:
    """The answer of a task that raised."""
    kind, message = type(error).__name__, _message(error)
    body = _encode({"message": message, "type": kind, "traceback": _traceback(error)})
    if isinstance(error, Retry):
        retry_at = None if error.after_s is None else time.time() + max(0.0, error.after_s)
        return Answer(False, body, "TASK_FAILED", "task", retryable=True, retry_at=retry_at)
    if isinstance(error, RunStopped):
        return Answer(False, body, "STOPPED", "cancelled")
    if isinstance(error, MemoryError):
        return Answer(False, body, "OUT_OF_MEMORY", "memory")
    is_final = isinstance(error, NonRetryable | ImportError | SyntaxError)
    return Answer(False, body, "TASK_FAILED", "task", retryable=False if is_final else None)


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # a __str__ of theirs
        text = "(its message cannot be shown)"
    if isinstance(error, SystemExit):
        text = f"the task called sys.exit({text})"
    return f"{type(error).__name__}: {text}"[:MESSAGE_CHARS].encode(errors="backslashreplace").decode()


def _traceback(error: BaseException) -> str:
    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
            trace = trace.tb_next
        text = "".join(traceback.format_exception(type(error), error, trace, limit=-20))
    except Exception:
        return ""
    if len(text) > TRACEBACK_CHARS:
        text = f"{text[: TRACEBACK_CHARS // 2]}\n…\n{text[-TRACEBACK_CHARS // 2 :]}"
    return text.encode(errors="backslashreplace").decode()


def _unfit(value: Any, path: str, depth: int) -> Iterator[str]:
    """Where the value is not JSON, innermost places first."""
    if depth > DEEPEST:
        yield f"at `{path}` it is nested too deep"
        return
    try:
        _encode(value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        for step, part in _parts(value):
            yield from _unfit(part, f"{path}{step}", depth + 1)
        yield f"at `{path}` stands {type(value).__name__} ({str(error).splitlines()[0] if str(error) else 'unfit'})"


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f".{key}", part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((f".{field.name}", getattr(value, field.name, None)) for field in dataclasses.fields(value))
    elif isinstance(value, msgspec.Struct):
        yield from ((f".{name}", getattr(value, name, None)) for name in value.__struct_fields__)
