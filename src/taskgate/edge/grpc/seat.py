"""Where offers and orders wait for the next call of a worker that polls, and what that call brings back.

It is the `Seat` of such a worker's holder: other rooms put things in, calls take them out. `news` is set by everything
that a waiting call has to look at; several calls may wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from taskgate.edge.grpc.orders import Orders
from taskgate.wire.messages import Cancel, Drain, Receipt, Task


@dataclass(slots=True)
class Found:
    """What a poll brings back."""

    tasks: list[Task] = field(default_factory=list)
    renewed: list[Receipt] = field(default_factory=list)
    stop: list[Receipt] = field(default_factory=list)
    drain: Drain | None = None


class PollSeat:
    """What waits for one worker. `draining` is the order to take nothing new, told by each answer once it is there."""

    def __init__(self, orders: Orders | None = None) -> None:
        self.orders = orders or Orders()
        self.draining: Drain | None = None
        self.is_drain_told = False
        self.offers: list[Task] = []
        self.cancelled: dict[str, int] = {}
        self.delivered_count = 0
        self.news = asyncio.Event()
        self.closed: tuple[int, str] | None = None

    def offer(self, task: Task) -> None:
        """Keep the offer for the next answer."""
        self.offers.append(task)
        self.delivered_count += 1
        self.news.set()

    def cancel(self, run_id: str, attempt: int, *, reason: str) -> None:
        """Remember the order until a poll that holds the run, and until it is acknowledged."""
        self.cancelled[run_id] = attempt
        self.orders.put(Cancel(run_id=run_id, attempt=attempt, reason=reason))
        self.news.set()

    def drain(self, *, reason: str, reconnect: bool, delay_s: float) -> None:
        """Remember the order: the next answer tells it, and it is there to be acknowledged."""
        self.draining = Drain(reason=reason, reconnect=reconnect, delay_s=delay_s)
        self.orders.put(self.draining)
        self.news.set()

    def close(self, code: int, reason: str) -> None:
        """The seat is another's, or the gateway ends."""
        self.closed = self.closed or (code, reason)
        self.news.set()

    async def something(self, within_s: float) -> None:
        """Wait for news, at most `within_s`. What is to be seen must be looked at before, and again after."""
        self.news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.news.wait()
