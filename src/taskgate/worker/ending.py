"""How task processes come to an end: asked, told, killed; then everything below them; then their run is told.

cancelled        context.cancelled (CancelledError in an async task), after a grace SIGTERM, after another SIGKILL
timeout          SIGTERM, after the grace SIGKILL
lost, fence      SIGTERM and very soon SIGKILL: another worker may have the run already
memory           SIGKILL
A run that was ended this way is told only when no process of it is left (INV-F4).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import msgspec

from taskgate.lifespan import TaskSet
from taskgate.worker.answers import Answer
from taskgate.worker.assignment import Assignment
from taskgate.worker.processes import kill_family
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.slot import Slot, SlotState

LOST_GRACE_S = 0.5
AGAIN_S = 0.005
ALARM_S = 10.0
_log = logging.getLogger(__name__)


class Bereaved(Protocol):
    """The pool, as far as an ending needs it."""

    settings: WorkerSettings
    mark: str

    @property
    def slots(self) -> Sequence[Slot]: ...

    def take_back(self, slot: Slot) -> None: ...

    def buried(self, slot: Slot, status: int | None, *, was_oom: bool) -> None: ...


class Ending:
    """Ends runs and processes in the background, one after the other per slot."""

    def __init__(self, pool: Bereaved) -> None:
        self._pool = pool
        self._tasks = TaskSet()

    def end_run(self, slot: Slot, assignment: Assignment, *, reason: str) -> None:
        """Bring the run at hand to its end; the process survives only a cancelled run that ends by itself.

        Nothing happens when it turns out not to have begun: then it waits in the pool again.
        """
        self._pool.take_back(slot)
        if assignment not in slot.line:
            return
        if assignment.ending == "cancelled" and reason != "cancelled":
            assignment.ending = reason  # the ending under way goes on, without the patience
            return
        if not assignment.ending:
            assignment.ending = reason
            self._spawn(slot, lambda: self._end_run(slot, assignment))

    def end_process(self, slot: Slot, *, grace_s: float = 0.0) -> asyncio.Task[None]:
        """End the process and everything below it, and bury it; harmless when that is under way."""
        slot.state = SlotState.LEAVING
        return self._spawn(slot, lambda: self._end_process(slot, grace_s))

    async def close(self) -> None:
        """End every process now, without patience."""
        await self._tasks.close()
        await asyncio.gather(*(self.end_process(slot) for slot in tuple(self._pool.slots)))

    def _spawn(self, slot: Slot, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        slot.ending = self._tasks.spawn(_after(slot.ending, work), name=f"end of task process {slot.pid}")
        return slot.ending

    async def _end_run(self, slot: Slot, assignment: Assignment) -> None:
        pool = self._pool
        if assignment not in slot.line or slot.state is SlotState.DEAD:
            return
        if assignment.ending == "cancelled" and slot.state is SlotState.READY:
            slot.cancel(assignment)
            if await _ends(slot, assignment, pool.settings.cancel_grace_s) and slot.state is SlotState.READY:
                return
        graces = {"memory": 0.0, "lost": LOST_GRACE_S, "fence": LOST_GRACE_S}
        await self._end_process(slot, graces.get(assignment.ending, pool.settings.term_grace_s))

    async def _end_process(self, slot: Slot, grace_s: float) -> None:
        pool = self._pool
        if slot.state is SlotState.DEAD:
            return
        slot.state = SlotState.LEAVING
        pool.take_back(slot)
        if grace_s > 0 and not slot.exited.is_set():
            slot.terminate()
            await _waited(slot.exited, grace_s)
        began_at = time.monotonic()
        while self._kill(slot) or not slot.exited.is_set():
            if time.monotonic() - began_at > ALARM_S:
                _log.error("what task process %d started does not die; still trying", slot.pid)
                began_at = time.monotonic()
            await asyncio.sleep(AGAIN_S)
        was_oom = slot.child.cage is not None and slot.child.cage.was_oom()
        status = slot.bury()
        pool.buried(slot, status, was_oom=was_oom)
        slot.child.close()

    def _kill(self, slot: Slot) -> int:
        others = {other.pid for other in self._pool.slots if other is not slot}
        caged = slot.child.cage.pids() if slot.child.cage else ()
        return kill_family(slot.pid, others, also=caged, mark=self._pool.mark)


def verdict(assignment: Assignment, status: int | None, *, was_oom: bool) -> Answer:
    """The answer for a run whose process has gone without one that counts."""
    if assignment.ending == "timeout":
        return _answer("TIMEOUT", "timeout", f"no result within {assignment.timeout_s:g} s")
    if assignment.ending == "memory" or (was_oom and status == -signal.SIGKILL):
        limit = f"over its limit of {assignment.memory_bytes} bytes" if assignment.memory_bytes else "out of memory"
        return _answer("OUT_OF_MEMORY", "memory", f"the run was killed: {limit}")
    return _answer("TASK_CRASHED", "crash", f"the task process died: {how(status)}", status=status)


def how(status: int | None) -> str:
    """An exit status in words; negative is a signal."""
    if status is None:
        return "it cannot be said how"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"


def _answer(code: str, kind: str, message: str, *, status: int | None = None) -> Answer:
    error: dict[str, object] = {"message": message}
    if status is not None:
        error["signal" if status < 0 else "exit_code"] = abs(status)
    return Answer(False, msgspec.json.encode(error), code, kind)


async def _after(earlier: asyncio.Task[None] | None, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """One ending of a slot at a time."""
    if earlier is not None:
        await asyncio.wait({earlier})
    await work()


async def _ends(slot: Slot, assignment: Assignment, within_s: float) -> bool:
    """Whether the run leaves the process by itself in time, the process staying alive."""
    give_up_at = time.monotonic() + within_s
    while assignment in slot.line and assignment.ending == "cancelled" and not slot.exited.is_set():
        slot.changed.clear()
        left_s = give_up_at - time.monotonic()
        if left_s <= 0:
            break
        await _waited(slot.changed, min(left_s, 0.25))
    return assignment not in slot.line and not slot.exited.is_set()


async def _waited(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
