"""A duty that one gateway has at a time: whether it is ours, asked of the store only now and then.

A leader asks again when a third of its term has gone by, so its term never runs out while it is well. One that stood
still for longer finds out when it asks; what it wrote before that, it wrote under its mandate, and the store judges
the mandate in the transaction of the write (INV-F5). So two may believe that they lead, and one of them changes
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskgate.clock import Clock
from taskgate.ids import new_token
from taskgate.runs.ports import Leadership, Mandate

TURN_S = 10.0
TURN_PAUSE_S = 0.05


@asynccontextmanager
async def in_turn(leadership: Leadership, what: str) -> AsyncIterator[None]:
    """What is done within is done by no other gateway meanwhile, unless it takes longer than `TURN_S`."""
    holder = new_token()
    while await leadership.campaign(what, holder, duration_s=TURN_S) is None:  # noqa: ASYNC110
        await asyncio.sleep(TURN_PAUSE_S)
    try:
        yield
    finally:
        await leadership.resign(what, holder)


class Duty:
    """One duty, for the gateway called `holder`."""

    def __init__(self, leadership: Leadership, name: str, *, holder: str, term_s: float, clock: Clock) -> None:
        self._leadership = leadership
        self._name = name
        self._holder = holder
        self._term_s = term_s
        self._clock = clock
        self._ask_at = 0.0
        self._mandate: Mandate | None = None

    async def mandate(self) -> Mandate | None:
        """What to write under, None while somebody else leads."""
        now = self._clock.monotonic()
        if self._mandate is None or now >= self._ask_at:
            self._mandate = None
            epoch = await self._leadership.campaign(self._name, self._holder, duration_s=self._term_s)
            if epoch is not None:
                self._mandate = Mandate(duty=self._name, epoch=epoch)
                self._ask_at = now + self._term_s / 3
        return self._mandate

    async def resign(self) -> None:
        """Let somebody else lead at once."""
        self._mandate = None
        await self._leadership.resign(self._name, self._holder)
