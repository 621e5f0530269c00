"""What the pool does about what its task processes say.

It decides whose words they are: those of the run at the head of a slot are the run's, any others the worker's own log.
A run that was told to stop is never reported as ended, only as stopped.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from taskgate.worker.answers import Answer
from taskgate.worker.assignment import Assignment
from taskgate.worker.frames import Done, Loaded, Piece, Progressed, Said, Taken
from taskgate.worker.slot import Slot, SlotState

if TYPE_CHECKING:
    from taskgate.worker.slots import Pool

_log = logging.getLogger(__name__)


class SlotListener:
    """The pool's ear."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def loaded(self, slot: Slot, loaded: Loaded) -> None:
        pool = self._pool
        pool.speech.tell_operator(slot)
        sizes = pool.starting.learn(loaded)
        if sizes is not None:
            pool.memory_of = sizes

    def done(self, slot: Slot, assignment: Assignment, *, done: Done) -> None:
        pool = self._pool
        assignment.dropped_count += done.dropped_count
        is_ours = pool.watch.announce(assignment)  # before its last words: a run speaks only after it has begun
        pool.speech.finish(slot, assignment, sizes=(done.out_size, done.err_size))
        if done.leftover and slot.state is SlotState.READY:
            _log.warning(
                "task %r left processes running: its task process is replaced",
                assignment.task.capability,
                extra={"run_id": assignment.task.run_id},
            )
            pool.ending.end_process(slot)
        if assignment.ending:
            if slot.state is not SlotState.READY:
                slot.held = assignment
            elif pool.here.pop(assignment.key, None) is not None:
                pool.owner.stopped(assignment)
            return
        pool.here.pop(assignment.key, None)
        pool.pace.note(assignment.task.capability, done.spent_s)
        if is_ours:
            answer = Answer(done.is_ok, done.body, done.code, done.error_class, done.retryable, done.retry_at)
            pool.owner.ended(assignment, answer, started_at=done.started_at, ended_at=done.started_at + done.spent_s)

    def said(self, slot: Slot, said: Said) -> None:
        head = slot.head
        if head is not None and head.number == said.number:
            if self._pool.watch.announce(head):
                self._pool.speech.heard(head, said)
            return
        for line in said.lines:
            _log.info("task process %d: %s", slot.pid, line)

    def progressed(self, slot: Slot, progressed: Progressed) -> None:
        head = slot.head
        if head is not None and head.number == progressed.number and self._pool.watch.announce(head):
            self._pool.owner.progressed(head, progressed)

    def pieced(self, slot: Slot, piece: Piece) -> None:
        pool, head = self._pool, slot.head
        if head is None or head.number != piece.number or not pool.watch.announce(head):
            slot.answer(Taken(piece.number, piece.serial, -1, 409, "STALE_ATTEMPT", "this run is not at hand any more"))
        elif pool.uploads is None:
            slot.answer(Taken(piece.number, piece.serial, -1, 503, "UNREACHABLE", "there is no door for logs"))
        else:
            pool.uploads.take(head, piece, answer=slot.answer)

    def settled(self, slot: Slot) -> None:
        self._pool.dispatch()
        self._pool.owner.changed()

    def exited(self, slot: Slot) -> None:
        self._pool.ending.end_process(slot)
