"""Where hellos wait: after a restart all workers come back at once, and HTTP is to be answered meanwhile (F27).

So many hellos are judged at the same time, however many have come; the others wait in the order in which they came
and cost nothing but their place. Who would wait longer than the worker itself waits for its welcome is told to come
back later instead, and when: when all who are behind have had their turn, at the pace of those who had one while this
one waited. Whoever goes after it is told less, so that they come back one after the other and not all at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskgate.errors import Unavailable

CROWDED = "CROWDED"
SOONEST_S = 1.0
LATEST_S = 60.0


class Lobby:
    """`places` hellos at a time; nobody waits longer than `patience_s`."""

    def __init__(self, *, places: int, patience_s: float) -> None:
        self._free = places
        self._patience_s = patience_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.turned_away_count = 0
        self._served_count = 0

    @property
    def waiting_count(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Have a place, as soon as it is this one's turn. Unavailable (CROWDED), with a hint, when that is too late."""
        await self._turn()
        try:
            yield
        finally:
            self._served_count += 1
            self._next()

    async def _turn(self) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        served_before = self._served_count
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._next()  # the place had come in the same moment
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if not isinstance(error, TimeoutError):
                raise
            self.turned_away_count += 1
            raise self._crowded(self._served_count - served_before) from error

    def _next(self) -> None:
        """Give a place back: the one who waits longest has it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _crowded(self, served_count: int) -> Unavailable:
        """For one who has waited in vain while so many had their turn."""
        pace = max(served_count, 1) / self._patience_s
        after_s = min(max(len(self._waiting) / pace, SOONEST_S), LATEST_S)
        return Unavailable("too many workers arrive at once", code=CROWDED, retry_after_s=after_s)
