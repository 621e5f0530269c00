"""Looks after the runs that are here, a few times a second and only while there are any.

Announces runs that have really begun; ends those out of time or memory; reads the output of those that go on;
moves runs on that stand behind a long one; gives back what could not begin in time.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from taskgate.worker.assignment import Assignment
from taskgate.worker.processes import resident_bytes
from taskgate.worker.slot import Slot, SlotState

if TYPE_CHECKING:
    from taskgate.worker.slots import Pool

ANNOUNCE_S = 0.002
TICK_S = 0.05
LIVE_S = 0.1  # output of a run older than this is read while it goes on
BEHIND_S = 0.02  # nothing stands in line behind a run older than this while somebody else is free
START_S = 0.8  # an offer that has not begun by then goes back


class Watch:
    """The pool's eye. Sleeps while nothing is here."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._announcing: asyncio.TimerHandle | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._tick_count = 0
        self.stuck_count = 0  # slots with a run that is not short: nothing is taken ahead for them

    def wake(self) -> None:
        """Something was given to a slot."""
        if self._announcing is None:
            self._announcing = self._loop.call_later(ANNOUNCE_S, self._announce_due)
        if self._ticking is None:
            self._ticking = self._loop.call_later(TICK_S, self._tick)

    def close(self) -> None:
        """Look no more."""
        for timer in (self._announcing, self._ticking):
            if timer is not None:
                timer.cancel()

    def announce(self, assignment: Assignment) -> bool:
        """Tell, once, that a run has begun. False: it lost its lease before it could begin, and is being ended."""
        if assignment.is_announced:
            return True
        if assignment.ending:
            return False
        assignment.is_announced = True
        if self._pool.owner.begun(assignment):
            return True
        self._pool.here.pop(assignment.key, None)
        slot = next((slot for slot in self._pool.slots if slot.head is assignment), None)
        if slot is not None:
            self._pool.ending.end_run(slot, assignment, reason="lost")
        if assignment in self._pool.waiting:  # it had not begun after all
            self._pool.waiting.remove(assignment)
        return False

    def bound_memory(self, slot: Slot, assignment: Assignment) -> None:
        """Give the slot the memory limit of the run that comes next."""
        wanted = assignment.memory_bytes
        if wanted != slot.memory_bytes:
            slot.memory_bytes = wanted
            cage = slot.child.cage
            slot.is_memory_watched = wanted is not None and not (cage and cage.limit(memory_bytes=wanted))
            if wanted is None and cage is not None:
                cage.limit(memory_bytes=None)

    def announce_all(self) -> None:
        """Tell of every run that has begun by now."""
        for slot in tuple(self._pool.slots):
            if slot.state is SlotState.READY:
                slot.read()
                if slot.head is not None and slot.head.begun_at is not None:
                    self.announce(slot.head)

    def give_back(self, reason: str) -> None:
        """Refuse everything that has not begun."""
        pool = self._pool
        for slot in pool.slots:
            pool.take_back(slot)
        for assignment in [waiting for waiting in pool.waiting if not waiting.is_announced]:
            self._refuse(assignment, reason)

    def _announce_due(self) -> None:
        self._announcing = None
        self.announce_all()
        self._pool.owner.changed()

    def _tick(self) -> None:
        pool, now = self._pool, time.monotonic()
        self._tick_count += 1
        was_stuck, self.stuck_count = self.stuck_count > 0, 0
        for slot in tuple(pool.slots):
            head = slot.head
            if head is not None and head.begun_at is not None and slot.state is SlotState.READY:
                self._look_at(slot, head, age_s=now - head.begun_at)
        self._give_back(now)
        pool.dispatch()
        pool.owner.changed()
        is_idle = not pool.here and not was_stuck
        self._ticking = None if is_idle else self._loop.call_later(TICK_S, self._tick)

    def _look_at(self, slot: Slot, head: Assignment, *, age_s: float) -> None:
        pool = self._pool
        self.announce(head)
        if head.ending:
            return
        if age_s > TICK_S:
            self.stuck_count += 1
        if head.timeout_s is not None and age_s >= head.timeout_s:
            slot.read()  # it may have ended in time, and this process been late
            if slot.head is head:
                pool.ending.end_run(slot, head, reason="timeout")
                return
        if age_s >= LIVE_S and self._tick_count % 2:
            pool.speech.read(slot, head)
            if slot.is_memory_watched and resident_bytes(slot.pid) > (head.memory_bytes or 0):
                pool.ending.end_run(slot, head, reason="memory")
                return
        if len(slot.line) > 1 and age_s > BEHIND_S:
            others_free = any(other.takes and not other.line for other in pool.slots)
            if others_free or age_s > START_S / 2:
                pool.take_back(slot)

    def _give_back(self, now: float) -> None:
        pool = self._pool
        late = [waiting for waiting in pool.waiting if now - waiting.received_at > START_S and not waiting.is_announced]
        for assignment in late:
            self._refuse(assignment, "busy")

    def _refuse(self, assignment: Assignment, reason: str) -> None:
        self._pool.waiting.remove(assignment)
        self._pool.here.pop(assignment.key, None)
        self._pool.owner.refused(assignment, reason)
