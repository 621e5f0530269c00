"""Start and stop, the same for every long-lived part.

A part has `start()` and `stop()`. `Lifespan` starts parts in order and stops them in reverse; when one fails to start,
it and those before it are stopped and the failure is raised. `stop` is safe to call twice and after a failed start, and
what was stopped may be started again. A background task lives in a `TaskSet` and ends with it: nothing outlives its
owner. A part that cannot do its work any more says so in `ailment`, or by a death among its `tasks`: whoever owns the
lifespan asks, and ends the process rather than serve with a part missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from taskgate.errors import TaskgateError

_log = logging.getLogger(__name__)
CANCEL_AGAIN_S = 0.5
T = TypeVar("T")


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
        """Start every part; on a failure stop all that was begun and raise it."""
        for part in self._parts:
            self._started.append(part)
            try:
                await part.start()
            except BaseException:
                await self.stop()
                raise

    async def stop(self) -> None:
        """Stop what was started, last first; a part that fails to stop is logged and the others go on."""
        while self._started:
            part = self._started.pop()
            try:
                await part.stop()
            except Exception:
                _log.exception("%s failed to stop", type(part).__name__)

    def ailment(self) -> TaskgateError | None:
        """Why one of the started parts cannot go on, None while all can."""
        for part in self._started:
            found = getattr(part, "ailment", None) or getattr(getattr(part, "tasks", None), "ailment", None)
            if isinstance(found, TaskgateError):
                return found
        return None

    async def __aenter__(self) -> Lifespan:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(self.stop())


class TaskSet:
    """Background tasks of one owner: a task that dies of an error is logged, and `close` ends them all.

    `ailment` tells of the first that died.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.ailment: TaskgateError | None = None

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
            if self.ailment is None:
                detail = f"background task {task.get_name()} died: {type(error).__name__}"
                self.ailment = TaskgateError(detail, code="PART_DIED")

    async def rest(self, within_s: float) -> bool:
        """Wait until no task is left, at most `within_s`; returns whether that came."""
        deadline = asyncio.get_running_loop().time() + within_s
        while self._tasks and (left_s := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(tuple(self._tasks), timeout=left_s)
        return not self._tasks

    async def close(self) -> None:
        """Cancel every task and wait until the last one has ended.

        A task that goes on is cancelled again: a library below it may have taken the first for a cut connection.
        """
        while tasks := {task for task in self._tasks if task is not asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            ended, _ = await asyncio.wait(tasks, timeout=CANCEL_AGAIN_S)
            self._tasks.difference_update(ended)


class Finisher:
    """Work that is finished once it is begun, whatever becomes of who asked for it."""

    def __init__(self) -> None:
        self._going: set[asyncio.Task[Any]] = set()

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns or raises. A caller who is cancelled leaves it to go on by itself; one who waits is told
        in the turn of the loop after its end, before anything that the work has set going comes back."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[T] = loop.create_future()
        task = loop.create_task(_tell(told, work))
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        return await told

    async def rest(self) -> None:
        """Wait until all of it has ended."""
        while self._going:
            await asyncio.wait(tuple(self._going))


async def _tell(told: asyncio.Future[T], work: Coroutine[Any, Any, T]) -> None:
    try:
        result = await work
    except Exception as error:
        if not told.done():
            told.set_exception(error)
    except BaseException:
        told.cancel()
        raise
    else:
        if not told.done():
            told.set_result(result)
