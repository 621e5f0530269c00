"""One whole call to a service, for parts of the gateway that are callers themselves.

The same pools, breakers and address judgements stand behind it as behind a proxied request. A cancelled call is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from taskgate.proxy.ports import Pair
from taskgate.routes.service import Service


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream's whole answer; header names are lower case."""

    status: int
    headers: tuple[Pair, ...] = ()
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, None when it is absent."""
        return next((value for key, value in self.headers if key == name), None)


class Caller(Protocol):
    """Calls a service and waits for the end of its answer."""

    async def call(
        self,
        service: Service,
        method: str,
        *,
        target: bytes,
        headers: Sequence[Pair],
        body: bytes,
        timeout_s: float,
        max_bytes: int,
    ) -> Reply:
        """The answer, whatever its status. Never tried twice.

        `target` is the whole path and query as sent, the base URL's own path included; Host, framing, Via and the
        service's credential are added. `timeout_s` is over everything, `max_bytes` the largest body of the answer.
        Raises UpstreamBroken, UpstreamSlow, TooLarge, Forbidden (the address), NotNow (breaker open, pool full).
        """
        ...
