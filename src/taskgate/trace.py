"""Names for a request: its id and its place in a trace (W3C Trace Context).

A well-formed `traceparent` is passed on, anything else begins a new trace. A caller's `X-Request-Id` is kept
only when it is short and plain, because it comes back in headers and stands in logs.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from hashlib import blake2b
from random import getrandbits

from msgspec import Struct

about: ContextVar[dict[str, str]] = ContextVar("about", default={})  # noqa: B039 (never changed, only replaced)
"""What this task works for, as fields of its log lines: `request_id`, `trace_id`, `run_id`."""

_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")


class Span(Struct, frozen=True, kw_only=True):
    """One span, ended. Ids are hex, no `parent_id` at the root; moments epoch seconds; no `error`: it went well."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_at: float
    ended_at: float
    error: str = ""
    attributes: dict[str, str | int] = {}


def traceparent_of(value: bytes | None) -> str:
    """The caller's traceparent when it is valid (version 00), else a fresh sampled one."""
    if value is not None and _TRACEPARENT.fullmatch(value) is not None:
        return value.decode("ascii")
    bits = getrandbits(192) | 1 << 64 | 1
    text = f"{bits:048x}"
    return f"00-{text[:32]}-{text[32:]}-01"


def known_traceparent(text: str) -> str:
    """The same text when it is a valid traceparent, else nothing."""
    is_valid = text.isascii() and _TRACEPARENT.fullmatch(text.encode()) is not None
    return text if is_valid else ""


def trace_id_of(traceparent: str) -> str:
    """The 32 hex characters that name the trace."""
    return traceparent[3:35]


def parent_span_of(traceparent: str) -> str:
    """The 16 hex characters that name the span it came from."""
    return traceparent[36:52]


def is_sampled(traceparent: str) -> bool:
    """Whether its caller wants the trace to be told; False for none at all."""
    return len(traceparent) == 55 and bool(int(traceparent[53:55], 16) & 1)


def span_of(run_id: str, part: str = "") -> str:
    """The id of a run's own span, or of a part of it: the same wherever it is asked for."""
    return blake2b(f"{run_id}/{part}".encode(), digest_size=8).hexdigest()


def below(traceparent: str, span_id: str) -> str:
    """The same trace with this span as the parent of what comes; nothing where there is no trace."""
    return f"{traceparent[:36]}{span_id}{traceparent[52:]}" if traceparent else ""


def request_id_of(value: bytes | None, traceparent: str) -> bytes:
    """The caller's request id when it is plain, else one made from the span."""
    if value is not None and _REQUEST_ID.fullmatch(value) is not None:
        return value
    return traceparent[3:52].encode("ascii")
