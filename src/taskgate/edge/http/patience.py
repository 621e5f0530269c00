"""How long a caller waits for a store that does not answer: one bound for every door that reads (F12).

It is counted twice, so that a process which stood still itself does not take its own sleep for a store that hangs:
when the time is over, a short grace begins, in which an answer that lies there already is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import TypeVar

from taskgate.errors import Unavailable

T = TypeVar("T")
WAIT_S = 1.2
GRACE_S = 0.2


class Patience:
    """What is awaited within it ends in time, or in Unavailable (STORE_SLOW)."""

    async def __aenter__(self) -> Patience:
        self._loop = asyncio.get_running_loop()
        self._bound = asyncio.timeout(None)
        await self._bound.__aenter__()
        self._timer = self._loop.call_later(WAIT_S, self._run_out)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        try:
            await self._bound.__aexit__(kind, error, trace)
        except TimeoutError:
            raise Unavailable("the store does not answer", code="STORE_SLOW", retry_after_s=1.0) from None

    def end(self) -> None:
        """The answer has begun: from here on it may take its time."""
        self._timer.cancel()
        if not self._bound.expired():
            self._bound.reschedule(None)

    def _run_out(self) -> None:
        self._bound.reschedule(self._loop.time() + GRACE_S)


async def in_time(reading: Awaitable[T]) -> T:
    """What was read; Unavailable (STORE_SLOW) when the store does not answer in time."""
    async with Patience():
        return await reading
