"""A request that is over, as both doors tell it, and who writes that down where an access log is wanted.

The door for one's own API and the data plane fill the same type in, so that a line of the log reads alike for both.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class EndedRequest(Struct, frozen=True, kw_only=True, gc=False):
    """What a request was, without its query. `status` 0: the caller left, or the answer was cut; bytes are those of the
    bodies; a name is "" where there is none."""

    method: str
    path: str
    status: int
    bytes_in: int
    bytes_out: int
    duration_s: float
    request_id: str
    route: str = ""
    service: str = ""
    principal: str = ""
    run_id: str = ""
    error: str = ""


class AccessNotes(Protocol):
    """Who writes requests down."""

    def told(self, ended: EndedRequest) -> None:
        """Never raises, never waits."""
        ...
