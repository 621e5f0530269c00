"""One-use tickets: a credential for places that cannot send a header, such as a browser's WebSocket.

A ticket lives for 30 seconds, works once and stands for the principal that asked for it. Only its digest is
kept, in memory: a restart forgets all of them. A ticket of a key that was revoked meanwhile is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from taskgate.clock import Clock
from taskgate.errors import Limited, Unauthenticated
from taskgate.identity.principal import Principal
from taskgate.ids import new_token

TICKET_LENGTH = 22
OPEN_PER_PRINCIPAL = 100


class Tickets:
    """Open tickets of this gateway, oldest first."""

    def __init__(
        self,
        clock: Clock,
        *,
        is_good: Callable[[Principal], Awaitable[bool]],
        life_s: float = 30.0,
        limit: int = 20_000,
    ) -> None:
        self._clock = clock
        self._is_good = is_good
        self._life_s = life_s
        self._limit = limit
        self._open: dict[bytes, tuple[Principal, float]] = {}

    def issue(self, principal: Principal) -> tuple[str, float]:
        """A fresh ticket and the moment it expires; Limited when too many are open."""
        now = self._clock.monotonic()
        self._sweep(now)
        own_count = sum(1 for holder, _ in self._open.values() if holder.id == principal.id)
        if len(self._open) >= self._limit or own_count >= OPEN_PER_PRINCIPAL:
            raise Limited("too many tickets are open", retry_after_s=self._life_s)
        text = new_token()
        self._open[_digest(text)] = (principal, now + self._life_s)
        return text, self._clock.now() + self._life_s

    async def redeem(self, text: str) -> Principal:
        """The principal of a ticket, which is used up by this; Unauthenticated for any other text."""
        if len(text) != TICKET_LENGTH:
            raise Unauthenticated("the ticket is not valid", code="BAD_TICKET")
        principal, until = self._open.pop(_digest(text), (None, 0.0))
        if principal is None or self._clock.monotonic() >= until:
            raise Unauthenticated("the ticket is not valid, was used or has expired", code="BAD_TICKET")
        if not await self._is_good(principal):
            raise Unauthenticated("the key behind this ticket is not valid any more", code="BAD_TICKET")
        return principal

    def _sweep(self, now: float) -> None:
        while self._open:
            oldest = next(iter(self._open))
            if self._open[oldest][1] > now:
                return
            del self._open[oldest]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
