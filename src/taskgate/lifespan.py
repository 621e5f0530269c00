"""Start and stop, the same for every long-lived part.

A part has `start()` and `stop()`. `Lifespan` starts parts in order and stops them in reverse; when one
fails to start, those already started are stopped and the failure is raised. `stop` is safe to call twice
and after a failed start. A background task lives in a `TaskSet` and ends with it: nothing outlives its owner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

_log = logging.getLogger(__name__)


class Part(Protocol):
    """Something with a beginning and an end; both may be awaited once per start."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Lifespan:
    """Starts parts in order, stops them in reverse order, whatever happens in between."""

    def __init__(self, *parts: Part) -> None:
        self._parts = parts
        self._started: list[Part] = []

    async def start(self) -> None:
        """Start every part; on a failure stop the started ones and raise it."""
        for part in self._parts:
            try:
                await part.start()
            except BaseException:
                await self.stop()
                raise
            self._started.append(part)

    async def stop(self) -> None:
        """Stop what was started, last first; a part that fails to stop is logged and the others go on."""
        while self._started:
            part = self._started.pop()
            try:
                await part.stop()
            except Exception:
                _log.exception("%s failed to stop", type(part).__name__)

    async def __aenter__(self) -> Lifespan:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(self.stop())


class TaskSet:
    """Background tasks of one owner: a task that dies of an error is logged, and `close` ends them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run `work` in the background until it returns or the set is closed."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background task %s died", task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel every task and wait until the last one has ended."""
        while tasks := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)
