"""How late the event loop is: a timer that should have rung and when it did.

What blocks the loop blocks every call of the process; this is the number that shows it.
"""

from __future__ import annotations

import asyncio

from taskgate.histogram import Histogram
from taskgate.lifespan import TaskSet

BEAT_S = 0.5


class Pulse:
    """A part: between `start` and `stop` it rings twice a second. `late_s` is the last reading."""

    def __init__(self) -> None:
        self.tasks = TaskSet()
        self.late = Histogram()
        self.late_s = 0.0

    async def start(self) -> None:
        """Begin to ring."""
        self.tasks.spawn(self._ring(), name="event loop pulse")

    async def stop(self) -> None:
        await self.tasks.close()

    async def _ring(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await asyncio.sleep(BEAT_S)
            self.late_s = max(0.0, clock() - began - BEAT_S)
            self.late.took(self.late_s)
