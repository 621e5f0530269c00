"""What an exchange says about its call while it goes on, so that a route with `record` keeps it.

An exchange asks `begin` once; None means that nothing is kept of this call, and nothing more has to be said. Every
verb is synchronous, costs next to nothing and never raises: recording never slows or fails a call.
Give it what was really sent: masking credentials, capping bodies and dropping what is not wanted is done behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from taskgate.proxy.ports import Pair
from taskgate.routes.policy import Recording as Level


class CallStart(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it arrives: who, which route, what was asked. `target` is the raw path and query."""

    level: Level
    service: str
    route: str
    request_id: str
    site_id: str
    user_id: str = ""
    principal: str = ""
    method: str
    target: bytes
    headers: Sequence[Pair] = ()


class OpenCall(Protocol):
    """The record of one call in the making. What follows `finish` is ignored."""

    def request_body(self, piece: bytes) -> None:
        """A piece of what the caller sent, once, in order (not again for a retry)."""
        ...

    def attempt(self, upstream: str) -> None:
        """A try at this upstream (its base URL) begins; one that is still open ends without a word."""
        ...

    def answered(self, status: int, headers: Sequence[Pair]) -> None:
        """The upstream's status and headers have come."""
        ...

    def response_body(self, piece: bytes) -> None:
        """A piece of the upstream's answer."""
        ...

    def attempt_ended(self, *, error: str = "", moved_on_because: str = "") -> None:
        """The try is over: `error` where there was no whole answer, the reason where another try follows."""
        ...

    def finish(self, status: int, *, error: str = "") -> None:
        """The call is over: what the caller was answered (0 for nothing), our own error's code if it was ours."""
        ...


class Recording(Protocol):
    """Keeps records of calls."""

    def begin(self, start: CallStart) -> OpenCall | None:
        """The record of a call, None when its level is `none`."""
        ...
