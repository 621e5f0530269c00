"""Changes of the registered services: one at a time, and finished once begun, whatever becomes of who asked.

Nobody waits for longer than `WAIT_S`: a change that a store keeps from being saved goes on by itself, and its caller
is told to ask again; the same change twice is one. When this process itself stood still for that long, the change
still gets `GRACE_S` of running time: a host that slept is no store that hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from taskgate.errors import Unavailable

T = TypeVar("T")
WAIT_S = 1.3
GRACE_S = 0.2
MAX_WAITING = 1000


class Turns:
    """A queue of changes. `around` is entered for each: the turn of this gateway among others."""

    def __init__(self, around: Callable[[], AbstractAsyncContextManager[None]] = nullcontext) -> None:
        self._around = around
        self._turn = asyncio.Lock()
        self._changes: set[asyncio.Task[Any]] = set()

    async def finish(self, change: Coroutine[Any, Any, T]) -> T:
        """What the change returns or raises; Unavailable when that takes too long, and it goes on."""
        if len(self._changes) >= MAX_WAITING:
            change.close()
            raise Unavailable("too many changes wait for the store", code="STORE_BEHIND", retry_after_s=1.0)
        task = asyncio.create_task(self._in_turn(change))
        self._changes.add(task)
        task.add_done_callback(self._ended)
        for patience_s in (WAIT_S, GRACE_S):
            await asyncio.wait({task}, timeout=patience_s)
            if task.done():
                return task.result()
        detail = "the store does not answer; the change counts as soon as it does"
        raise Unavailable(detail, code="STORE_SLOW", retry_after_s=1.0)

    async def rest(self) -> None:
        """Wait until every change has ended."""
        await asyncio.gather(*self._changes, return_exceptions=True)

    async def _in_turn(self, change: Coroutine[Any, Any, T]) -> T:
        async with self._turn, self._around():
            return await change

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._changes.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever still waits
