"""Shapes of the audit log as they go out.

The hash that is shown is that of the entry as it was stored, not of this shape.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from taskgate.edge.http.shapes import Given


class ActorShape(Given):
    """Who did it: a credential's public id, never the credential."""

    id: str
    name: str
    kind: str
    site_id: str
    user_id: str
    address: str


class AuditEntryShape(Given):
    """A deed. `outcome`: `begun` was written before it, then what became of it: `done`, `refused` or `failed`; `denied`
    where the scope was missing; `noted` for the gateway's own doing."""

    seq: int
    at: datetime
    action: str
    outcome: str
    actor: ActorShape
    subject: str
    request_id: str
    detail: dict[str, Any]
    hash: str


class AuditPageShape(Given):
    """Entries, newest first; `cursor` asks for the next page and is empty on the last one."""

    entries: list[AuditEntryShape]
    cursor: str


class AuditLinkShape(Given):
    """A place in the chain."""

    seq: int
    hash: str


class AuditEndsShape(Given):
    """The log's entries are those behind `checkpoint`, up to `head`."""

    checkpoint: AuditLinkShape
    head: AuditLinkShape
