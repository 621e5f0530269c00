"""Recorded calls: what is kept of a proxied call whose route says `record: failures` or `all`.

Values and the port. Whoever makes them has masked every credential before: what stands here may be stored and shown.
A body is kept as text up to a cap, as base64 where it is not UTF-8; `body_bytes` is how much there really was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

Encoding = Literal["utf-8", "base64"]


class Passage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Headers and body in one direction. `body_bytes` above the length of `body` means that it was cut."""

    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    encoding: Encoding = "utf-8"
    body_bytes: int = 0


class CallAttempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try at one upstream. `status` 0: there was no answer, and `error` says why."""

    number: int
    upstream: str
    started_at: float
    ended_at: float
    status: int = 0
    response: Passage = Passage()
    error: str = ""
    moved_on_because: str = ""


class CallRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One proxied call, whole. `id` is ours and sorts by time; `request_id` may be the caller's and need not be unique.

    `status` is what the caller was answered, 0 when it got nothing; `error` is ours, the stable code of it.
    """

    id: str
    request_id: str
    site_id: str
    user_id: str = ""
    principal: str = ""
    service: str
    route: str
    method: str
    target: str
    started_at: float
    ended_at: float
    status: int = 0
    error: str = ""
    request: Passage = Passage()
    attempts: tuple[CallAttempt, ...] = ()


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first. `site_id` None is every site; `user_id` narrows a key bound to a user; `cursor` is the last id
    seen; `id` is one very record; `status_class` 5 is every status from 500 to 599."""

    site_id: str | None
    user_id: str = ""
    service: str = ""
    route: str = ""
    status: int | None = None
    status_class: int | None = None
    request_id: str = ""
    id: str = ""
    limit: int = 50
    cursor: str = ""


class CallRecords(Protocol):
    """Recorded calls, kept apart from everything else: a flood of them never delays a submit."""

    async def append(self, records: Sequence[CallRecord]) -> None:
        """Keep them; an id that is there already is left as it is. Durable at the store's own leisure."""
        ...

    async def find(self, wanted: CallFilter) -> list[CallRecord]: ...

    async def purge(self, started_before: float, limit: int) -> int:
        """Delete up to `limit` records of calls that began before that moment, the oldest first; returns how many."""
        ...
