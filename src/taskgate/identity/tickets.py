"""One-use tickets: a credential for places that cannot send a header, such as a browser's WebSocket.

A ticket lives for 30 seconds, works once, at any gateway that shares the place where it is kept, and stands for the
principal that asked for it. Only its digest is kept, so who reads the place has no ticket. A ticket whose credential
was taken back meanwhile is refused. How many may be open is counted by each gateway for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

import msgspec

from taskgate.clock import Clock
from taskgate.errors import Limited, Unauthenticated
from taskgate.identity.ports import OneUse
from taskgate.identity.principal import Principal
from taskgate.ids import new_token

TICKET_LENGTH = 22
OPEN_PER_PRINCIPAL = 100


class Tickets:
    """Open tickets of this gateway, oldest first; without `kept` they work at this gateway alone."""

    def __init__(
        self,
        clock: Clock,
        *,
        is_good: Callable[[Principal], Awaitable[bool]],
        kept: OneUse | None = None,
        life_s: float = 30.0,
        limit: int = 20_000,
    ) -> None:
        self._clock = clock
        self._is_good = is_good
        self._kept = kept or _Own(clock)
        self._life_s = life_s
        self._limit = limit
        self._open: dict[bytes, tuple[str, float]] = {}

    async def issue(self, principal: Principal) -> tuple[str, float]:
        """A fresh ticket and the moment it expires; Limited when too many are open, Unavailable where it cannot be
        kept now."""
        now = self._clock.monotonic()
        self._sweep(now)
        own_count = sum(1 for holder, _ in self._open.values() if holder == principal.id)
        if len(self._open) >= self._limit or own_count >= OPEN_PER_PRINCIPAL:
            raise Limited("too many tickets are open", retry_after_s=self._life_s)
        text = new_token()
        name, expires_at = _digest(text), self._clock.now() + self._life_s
        self._open[name] = (principal.id, now + self._life_s)
        await self._kept.put(name, msgspec.json.encode(principal), keep_s=self._life_s)
        return text, expires_at

    async def redeem(self, text: str) -> Principal:
        """The principal of a ticket, which is used up by this; Unauthenticated for any other text."""
        if len(text) != TICKET_LENGTH:
            raise Unauthenticated("the ticket is not valid", code="BAD_TICKET")
        name = _digest(text)
        value = await self._kept.take(name)
        self._open.pop(name, None)
        if value is None:
            raise Unauthenticated("the ticket is not valid, was used or has expired", code="BAD_TICKET")
        principal = msgspec.json.decode(value, type=Principal)
        if not await self._is_good(principal):
            raise Unauthenticated("the key behind this ticket is not valid any more", code="BAD_TICKET")
        return principal

    def _sweep(self, now: float) -> None:
        while self._open:
            oldest = next(iter(self._open))
            if self._open[oldest][1] > now:
                return
            del self._open[oldest]


class _Own:
    """OneUse for one gateway; what nobody took goes with the next that is put after its time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[bytes, tuple[bytes, float]] = {}

    async def put(self, name: bytes, value: bytes, *, keep_s: float) -> bool:
        now = self._clock.monotonic()
        while self._values and (oldest := next(iter(self._values))) and self._values[oldest][1] <= now:
            del self._values[oldest]
        return self._values.setdefault(name, (value, now + keep_s))[0] is value

    async def take(self, name: bytes) -> bytes | None:
        value, until = self._values.pop(name, (None, 0.0))
        return value if self._clock.monotonic() < until else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
