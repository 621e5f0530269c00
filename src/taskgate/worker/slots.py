"""The pool of task processes: who does which run, what waits, what is given back.

A run begins at once when a process is free. While runs are short some wait here, and a few stand in line inside
a process, so that none ever waits for us; while they are long nothing does. What has not begun in time goes
back to the gateway as `busy`, and costs nobody a try. All on one event loop; no time is spent waiting here.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from taskgate.wire.messages import Task, TaskOffer
from taskgate.worker.assignment import Assignment
from taskgate.worker.cgroups import CageYard
from taskgate.worker.ending import Ending, verdict
from taskgate.worker.listening import SlotListener
from taskgate.worker.pace import QUEUE_S, Pace
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.slot import Slot, SlotState
from taskgate.worker.spans import Spans
from taskgate.worker.spawning import NONCE
from taskgate.worker.speech import Speech
from taskgate.worker.starting import Starting
from taskgate.worker.telling import PoolOwner
from taskgate.worker.uploads import Uploads
from taskgate.worker.watching import Watch

LINE_COUNT = 256


class Pool:
    """Task processes and the runs in them. Not `is_alone`: this process has other children, which are left alone."""

    def __init__(
        self, settings: WorkerSettings, owner: PoolOwner, *, yard: CageYard, nonce: str, is_alone: bool = True
    ) -> None:
        self.settings = settings
        self.owner = owner
        self.mark = "" if is_alone else f"{NONCE}={nonce}"
        self.slots: list[Slot] = []
        self.waiting: deque[Assignment] = deque()
        self.here: dict[tuple[str, int], Assignment] = {}
        self.pace = Pace()
        self.speech = Speech(owner)
        self.ending = Ending(self)
        self.watch = Watch(self)
        self.memory_of: dict[str, int | None] = {}
        self.uploads: Uploads | None = None
        self.spans: Spans | None = None
        self.starting = Starting(self, SlotListener(self), yard=yard, nonce=nonce)
        self._loop = asyncio.get_running_loop()
        self._is_closing = False

    async def start(self) -> Sequence[TaskOffer]:
        """Start the processes; returns what they can do once the first knows. InvalidInput: it cannot be loaded."""
        self.starting.fill()
        return await self.starting.offers

    async def close(self) -> None:
        """End every process and everything below it; runs that are here are not told any more."""
        self._is_closing = self.starting.is_over = True
        self.waiting.clear()
        self.watch.close()
        await self.ending.close()

    def offer(self, task: Task, payload: bytes, *, max_output_bytes: int) -> None:
        """Take a run; `dispatch` begins it."""
        limits = self.settings
        assignment = Assignment(
            task=task,
            payload=payload,
            received_at=time.monotonic(),
            max_output_bytes=max_output_bytes,
            max_log_bytes=limits.max_log_bytes,
            traceparent=task.traceparent if self.spans is None else self.spans.place_of(task),
            timeout_s=task.timeout_s if task.timeout_s is not None else limits.timeout_s,
            memory_bytes=task.memory_bytes or self.memory_of.get(task.capability) or limits.memory_bytes,
        )
        self.here[assignment.key] = assignment
        self.waiting.append(assignment)

    def dispatch(self) -> None:
        """Give what waits to who is free, then, while runs are short, a little in line."""
        if not self.waiting:
            return
        now = time.monotonic()
        for slot in sorted((slot for slot in self.slots if slot.takes), key=lambda slot: slot.backlog_s):
            if batch := self._batch_for(slot):
                slot.give(batch, now)
        self.watch.wake()

    def stop(self, key: tuple[str, int], reason: str) -> bool:
        """End a run for `reason`; `stopped` is told when nothing of it is left. False: it is not here."""
        assignment = self.here.get(key)
        if assignment is None:
            return False
        slot = next((slot for slot in self.slots if assignment in slot.line), None)
        if slot is not None:
            slot.read()  # it may have ended, or come to the head, meanwhile
            if slot.head is assignment:
                self.ending.end_run(slot, assignment, reason=reason)
            else:
                self.take_back(slot)
        if assignment in self.waiting:
            self.waiting.remove(assignment)
            del self.here[key]
            self.owner.stopped(assignment)
        return True

    def take_back(self, slot: Slot) -> None:
        """Runs in line that have not begun wait here again, before all others."""
        taken = slot.recall()
        self.waiting.extendleft(reversed(taken))
        if taken and not self._is_closing:
            self._loop.call_soon(self.dispatch)

    def buried(self, slot: Slot, status: int | None, *, was_oom: bool) -> None:
        """Its process and all below it have gone: tell its run's end and put a fresh process in its place."""
        head = slot.held or slot.head
        if head is None:
            self.speech.tell_operator(slot)
        else:
            self._tell_end(slot, head, verdict_of=(status, was_oom))
        self.slots.remove(slot)
        if self._is_closing:
            return
        self.starting.replace(slot, status)
        self.owner.changed()

    @property
    def capacity(self) -> int:
        """How many runs may be here at a time."""
        ready = self.ready_count
        return ready + self.pace.ahead_count(max(0, ready - self.watch.stuck_count))

    @property
    def ready_count(self) -> int:
        """Task processes that do or can do runs."""
        return sum(1 for slot in self.slots if slot.state is SlotState.READY)

    def _batch_for(self, slot: Slot) -> list[Assignment]:
        """What the slot should get now: one run when it is free, and then as many as are short enough."""
        batch: list[Assignment] = []
        room_s = QUEUE_S - slot.backlog_s
        while self.waiting and len(slot.line) + len(batch) < LINE_COUNT:
            following = self.waiting[0]
            following.expected_s = self.pace.expected_s(following.task.capability)
            is_first = not slot.line and not batch
            if not is_first and (following.expected_s > room_s or following.memory_bytes != slot.memory_bytes):
                break
            if is_first:
                self.watch.bound_memory(slot, following)
                room_s = QUEUE_S
            batch.append(self.waiting.popleft())
            room_s -= following.expected_s
        return batch

    def _tell_end(self, slot: Slot, head: Assignment, *, verdict_of: tuple[int | None, bool]) -> None:
        status, was_oom = verdict_of
        is_ours = self.watch.announce(head)  # before its last words: a run speaks only after it has begun
        self.speech.finish(slot, head, sizes=(slot.child.out.size(), slot.child.err.size()))
        slot.line.clear()
        if self._is_closing or self.here.pop(head.key, None) is None:
            return
        if head.ending in ("cancelled", "lost", "fence"):
            self.owner.stopped(head)
        elif is_ours:
            now, begun_at = time.time(), head.begun_at
            spent_s = 0.0 if begun_at is None else time.monotonic() - begun_at
            answer = verdict(head, status, was_oom=was_oom)
            self.owner.ended(head, answer, started_at=now - spent_s, ended_at=now)
