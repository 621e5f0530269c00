"""Header and query values that steer an answer, read strictly.

`Prefer: wait=S` (RFC 7240), `Idempotency-Key` (a quoted string of draft-ietf-httpapi-idempotency-key-header-07, or
bare), `Last-Event-ID`, and numbers in query strings. What is present and unreadable is refused, never guessed.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from taskgate.edge.http.call import Call
from taskgate.errors import InvalidInput, Malformed
from taskgate.identity.principal import Principal

MAX_WAIT_S = 60.0
MAX_KEY_LENGTH = 255
_WAIT = re.compile(rb'(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_NUMBER = re.compile(r"[0-9]{1,15}")


def caller_of(call: Call) -> Principal:
    """Who calls; only asked behind the gate."""
    if call.principal is None:
        raise RuntimeError("the gate was passed by")
    return call.principal


def preferred_wait_s(value: bytes | None) -> float | None:
    """Seconds that the caller would like to wait for the end, at most 60; None without that preference."""
    if value is None:
        return None
    found = _WAIT.search(value)
    return None if found is None else min(float(found[1]), MAX_WAIT_S)


def idempotency_key_of(value: bytes | None) -> str:
    """The key, "" when there is none. Malformed for one that is empty, too long or not plain text."""
    if value is None:
        return ""
    text = value.decode("latin-1").strip()
    if text.startswith('"'):
        quoted = _QUOTED.fullmatch(text)
        text = "" if quoted is None else quoted[1]
        if "\\" in text:
            text = re.sub(r"\\(.)", r"\1", text)
    check_idempotency_key(text)
    return text


def check_idempotency_key(text: str) -> None:
    """Raise Malformed unless the key has 1 to 255 printable ASCII characters."""
    if not text or len(text) > MAX_KEY_LENGTH or not (text.isascii() and text.isprintable()):
        raise Malformed("an idempotency key has 1 to 255 printable ASCII characters", code="BAD_IDEMPOTENCY_KEY")


def query_of(call: Call, *known: str) -> dict[str, str]:
    """The query's members; InvalidInput, by name, for one that is not known here or is given twice."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(call.query.decode("latin-1"), keep_blank_values=True, errors="replace"):
        if name not in known:
            raise InvalidInput(f"there is no query parameter {name[:64]!r} here", code="UNKNOWN_PARAMETER")
        if name in found:
            raise InvalidInput(f"the query parameter {name} was given twice", code="PARAMETER_TWICE")
        found[name] = value
    return found


def number_of(text: str, name: str, *, low: int, high: int) -> int:
    """A whole number within bounds; InvalidInput names the parameter."""
    if _NUMBER.fullmatch(text) is None or not low <= int(text) <= high:
        raise InvalidInput(f"{name} is a whole number within {low}..{high}", extra={"parameter": name})
    return int(text)


def accepts_events(value: bytes | None) -> bool:
    """Whether the caller asks for `text/event-stream`."""
    return value is not None and b"text/event-stream" in value.lower()
