"""One connection's lines on their way into the journal, beside everything else that the connection does.

A journal that is slow or away delays lines, and the results of the runs that wrote them (a run's journal must be whole
when its end is told), and nothing else: leases are renewed, offers go out, silent runs end. What failed is tried again.

A worker keeps what was not acknowledged, and takes no new work while it keeps too much. So where the allowance of all
is spent a connection goes deaf: it forgets what comes, acknowledges none of it, lives on by its heartbeats, and is made
anew, so that everything is said again, once half of the allowance is free. A connection with twice a worker's window of
its own, or one of a simple client, which keeps nothing, is not read while there is no room.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from taskgate.errors import NotNow, StoreError
from taskgate.journal.allowance import Allowance
from taskgate.lifespan import TaskSet
from taskgate.runs.leases import Bearer
from taskgate.runs.narrating import Narrator
from taskgate.wire import gateway_events as e
from taskgate.wire.log_window import LINE_BYTES, RunKey
from taskgate.wire.messages import Log, LogAck, Progress, Receipt, TaskResult

_log = logging.getLogger(__name__)
OWN_BYTES = 8 << 20  # twice what a worker keeps for itself
PAUSE_S = 0.25
FINISH_S = 2.0

Tell = Callable[[list[LogAck], list[Receipt], list[TaskResult]], None]


class Recording:
    """`tell` is given what became durable, stale receipts, and results that waited; `again` is called once, when a deaf
    connection is to be made anew."""

    def __init__(
        self, narrator: Narrator, allowance: Allowance, *, tell: Tell, again: Callable[[], None], tasks: TaskSet
    ) -> None:
        self._narrator = narrator
        self._allowance = allowance
        self._tell = tell
        self._again = again
        self._tasks = tasks
        self._waiting: list[Log | Progress] = []
        self._own_bytes = 0
        self._open: Counter[RunKey] = Counter()
        self._missed: set[RunKey] = set()
        self._results: list[TaskResult] = []
        self._change = asyncio.Event()
        self._is_working = False
        self._is_closed = False
        self.is_failing = False

    def take(self, writes: Sequence[Log | Progress], bearer: Bearer, *, keeps: bool) -> None:
        """Lines to be made durable, said by this worker. `keeps`: it has them until they are acknowledged."""
        for write in writes:
            key, weight = (write.run_id, write.attempt), weight_of(write)
            if keeps and (self._missed or not self._allowance.take(weight)):
                self._missed.add(key)
                continue
            if not keeps:
                self._allowance.used_bytes += weight
            self._own_bytes += weight
            self._open[key] += 1
            self._waiting.append(write)
        if not self._is_working and (self._waiting or self._missed):
            self._is_working = True
            self._tasks.spawn(self._work(bearer), name="worker lines")

    def ready(self, results: Sequence[TaskResult]) -> list[TaskResult]:
        """Those that nothing has to come before; the others are told later, or come again over another connection."""
        ready: list[TaskResult] = []
        for result in results:
            key = (result.run_id, result.attempt)
            if key in self._missed:
                continue
            (self._results if self._open[key] else ready).append(result)
        return ready

    async def room(self, *, keeps: bool) -> None:
        """Wait until this connection may be read again."""
        while not self._is_closed and (
            self._own_bytes >= OWN_BYTES or (not keeps and self._own_bytes and self._allowance.is_spent)
        ):
            self._change.clear()
            await self._change.wait()

    async def finish(self) -> None:
        """Wait until everything is durable, for a moment; a journal that is away is not waited for."""
        deadline = asyncio.get_running_loop().time() + FINISH_S
        while self._waiting or self._own_bytes:
            left_s = deadline - asyncio.get_running_loop().time()
            if self.is_failing or left_s <= 0:
                return
            self._change.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._change.wait()

    def close(self) -> None:
        """Nobody reads this connection any more."""
        self._is_closed = True
        self._change.set()

    def forget(self) -> None:
        """Give back what is still noted: it was never acknowledged."""
        self._allowance.give(self._own_bytes)
        self._own_bytes = 0
        self._change.set()

    async def _work(self, bearer: Bearer) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                acks, stale = await self._narrator.record(batch, bearer)
            except (NotNow, StoreError) as error:
                if not self.is_failing:
                    _log.warning("lines of a worker wait for the journal: %s", error)
                self.is_failing = True
                self._waiting = batch + self._waiting
                self._change.set()
                await asyncio.sleep(PAUSE_S)
            else:
                self.is_failing = False
                self._tell(acks, stale, self._settled(batch))
        if self._missed:
            await self._allowance.recovered()
        self._is_working = False
        if self._missed:
            self._again()

    def _settled(self, batch: list[Log | Progress]) -> list[TaskResult]:
        """Note that these are durable; the results that waited for them alone."""
        for write in batch:
            key = (write.run_id, write.attempt)
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
        size_bytes = sum(map(weight_of, batch))
        self._own_bytes -= size_bytes
        self._allowance.give(size_bytes)
        self._change.set()
        results, self._results = self._results, []
        return self.ready(results)


def written(event: e.GatewayEvent) -> Log | Progress | None:
    """What an event adds to a run's journal."""
    if isinstance(event, e.LogsReceived):
        return event.log
    return event.progress if isinstance(event, e.ProgressReceived) else None


def weight_of(write: Log | Progress) -> int:
    """What a message is counted with, as its sender's window counts it."""
    if isinstance(write, Progress):
        return len(write.text) + LINE_BYTES
    return sum([len(line.text) for line in write.lines]) + LINE_BYTES * len(write.lines)
