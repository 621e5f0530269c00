"""Callers that wait for the end of runs.

A waiter is registered before the ledger is asked, so an end that happens in between is not missed. The
end is told by the bus within this process; for ends told by another gateway the caller asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from taskgate.bus import Bus
from taskgate.events import RunFinished
from taskgate.runs.run import Run


class Waiters:
    """Futures by run id, resolved with the ended run."""

    def __init__(self, bus: Bus) -> None:
        self._waiting: dict[str, set[asyncio.Future[Run]]] = {}
        bus.subscribe(RunFinished, self._finished)

    def __len__(self) -> int:
        return len(self._waiting)

    def watch(self, run_id: str) -> asyncio.Future[Run]:
        """A future for the end of this run; cancel it to stop waiting."""
        future: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run_id, set()).add(future)
        future.add_done_callback(lambda done: self._drop(run_id, done))
        return future

    async def first(
        self, futures: Iterable[asyncio.Future[Run]], timeout_s: float, *, linger_s: float = 0.0
    ) -> list[Run]:
        """The runs that have ended, `linger_s` after the first has, [] at the timeout. The futures are used up."""
        waits = list(futures)
        try:
            if waits:
                done, open_ = await asyncio.wait(
                    waits, timeout=max(timeout_s, 0.0), return_when=asyncio.FIRST_COMPLETED
                )
                if done and open_ and linger_s:
                    await asyncio.wait(open_, timeout=linger_s)
            return [wait.result() for wait in waits if wait.done() and not wait.cancelled()]
        finally:
            for wait in waits:
                wait.cancel()

    def _drop(self, run_id: str, future: asyncio.Future[Run]) -> None:
        waiting = self._waiting.get(run_id)
        if waiting is not None:
            waiting.discard(future)
            if not waiting:
                del self._waiting[run_id]

    def _finished(self, event: RunFinished) -> None:
        for future in tuple(self._waiting.get(event.run.id, ())):
            if not future.done():
                future.set_result(event.run)
