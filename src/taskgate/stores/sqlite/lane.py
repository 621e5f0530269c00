"""A thread that owns a connection, and the way there and back for an event loop.

The loop only appends to a queue; the thread takes all that queued up while it worked as its next batch, so
batches grow by themselves with the load and nobody waits for a timer. Answers of a whole batch come back
with one `call_soon_threadsafe`. A caller that was cancelled does not withdraw what it submitted.
The two threads share the interpreter lock, and a busy loop gives it up only every switch interval: whoever
writes a `perform` keeps the number of database statements per batch small.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from taskgate.errors import StoreError, Unavailable

_log = logging.getLogger(__name__)
BATCH_LIMIT = 1024  # weight that one batch takes on
BACKLOG_LIMIT = 50_000  # weight that may wait


class Call:
    """One command on its way: what performs it, its argument, who waits, and what came of it."""

    __slots__ = ("future", "item", "outcome", "perform", "weight")

    def __init__(self, perform: Callable[..., Any], item: Any, *, future: asyncio.Future[Any], weight: int) -> None:
        self.perform = perform
        self.item = item
        self.future = future
        self.weight = weight
        self.outcome: Any = None


class Lane:
    """A queue into one thread. `opened`, `work` and `closed` run in the thread, everything else on the loop.

    `work` fills the outcome of every call of its batch, an exception where it failed, and never raises.
    """

    def __init__(
        self,
        name: str,
        *,
        opened: Callable[[], None],
        work: Callable[[list[Call]], None],
        rested: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self._name = name
        self._opened = opened
        self._work = work
        self._rested = rested
        self._closed = closed
        self._pending: deque[Call] = deque()
        self._submitted = 0  # weight, counted by the loop
        self._taken = 0  # weight, counted by the thread
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._idle = False
        self._kicked = False
        self._closing = False
        self._is_open = False
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Start the thread and return when it is ready; what `opened` raised is raised here."""
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.create_future()
        self._ended = self._loop.create_future()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        try:
            await asyncio.shield(self._started)
        except asyncio.CancelledError:
            await asyncio.shield(self.stop())
            raise

    async def stop(self) -> None:
        """Finish what was submitted, refuse what comes after, close and end the thread."""
        if self._thread is None:
            return
        self._closing = True
        self._wake.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()
        self._thread = None

    def submit(self, perform: Callable[..., Any], item: Any, *, weight: int = 1) -> asyncio.Future[Any]:
        """Queue a command; the future gets what `perform` made of it, or one of our errors.

        `weight` says how many ordinary commands it stands for.
        """
        future = self._loop.create_future()
        if not self._is_open or self._closing:
            future.set_exception(StoreError("the store is closed", code="STORE_CLOSED"))
            return future
        if self._submitted - self._taken >= BACKLOG_LIMIT:
            future.set_exception(Unavailable("the store is far behind", code="STORE_BEHIND", retry_after_s=1.0))
            return future
        self._submitted += weight
        self._pending.append(Call(perform, item, future=future, weight=weight))
        if self._idle and not self._kicked:
            # At the end of this turn of the loop, so that all that this turn submits is one batch.
            self._kicked = True
            self._loop.call_soon(self._kick)
        return future

    def _kick(self) -> None:
        self._kicked = False
        self._idle = False
        self._wake.put(None)

    # ---------------------------------------------------------------- in the thread

    def _run(self) -> None:
        try:
            self._opened()
        except BaseException as error:
            self._tell(_fail, self._started, error)
            self._tell(_settle, self._ended)
            return
        self._is_open = True
        self._tell(_settle, self._started)
        try:
            while True:
                batch = self._take()
                if batch:
                    self._work(batch)
                    self._tell(_deliver, batch)
                    self._rested()
                elif self._closing:
                    break
                else:
                    self._wait()
        finally:
            self._is_open = False
            self._abandon()
            self._closed()
            self._tell(_settle, self._ended)

    def _take(self) -> list[Call]:
        batch: list[Call] = []
        pending = self._pending
        weight = 0
        while pending and weight < BATCH_LIMIT:
            call = pending.popleft()
            batch.append(call)
            weight += call.weight
        self._taken += weight
        return batch

    def _wait(self) -> None:
        self._idle = True
        # A call appended before `idle` was set is seen here; one appended after it kicks.
        if not self._pending and not self._closing:
            self._wake.get()
        self._idle = False

    def _abandon(self) -> None:
        """The thread ends with calls in the queue only when it died of a bug: they fail, nobody hangs."""
        batch = self._take()
        while batch:
            for call in batch:
                call.outcome = StoreError("the store is closed", code="STORE_CLOSED")
            self._tell(_deliver, batch)
            batch = self._take()

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *arguments)
        except RuntimeError:
            _log.warning("%s: the event loop is gone, nobody hears the answers", self._name)


def _deliver(batch: list[Call]) -> None:
    for call in batch:
        future = call.future
        if future.done():
            continue
        outcome = call.outcome
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _fail(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
