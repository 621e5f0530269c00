"""Recorded calls as callers get them.

Every credential was masked before it was kept; nothing here decides what a caller may see.
"""

from __future__ import annotations

from datetime import datetime

from taskgate.edge.http.shapes import Given


class PassageShape(Given):
    """Headers and body in one direction. `encoding` is utf-8 or base64; a `body` shorter than `body_bytes` was cut."""

    headers: list[tuple[str, str]]
    body: str
    encoding: str
    body_bytes: int


class CallAttemptShape(Given):
    """One try at one upstream; `status` 0 says that there was no answer."""

    number: int
    upstream: str
    started_at: datetime
    ended_at: datetime
    status: int
    response: PassageShape
    error: str
    moved_on_because: str


class CallSummary(Given):
    """A recorded call in a list; `status` 0 says that the caller got no answer."""

    id: str
    request_id: str
    site_id: str
    user_id: str
    principal: str
    service: str
    route: str
    method: str
    target: str
    started_at: datetime
    ended_at: datetime
    status: int
    error: str
    attempt_count: int


class CallShape(CallSummary):
    """A recorded call, whole."""

    request: PassageShape
    attempts: list[CallAttemptShape]


class CallsShape(Given):
    """A page of recorded calls; `cursor` is empty on the last."""

    calls: list[CallSummary]
    cursor: str
