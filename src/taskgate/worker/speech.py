"""What runs say, from all its sources, on its way to the journal: frames, fd 1 and fd 2, within the run's room.

Output of a process while no run is at hand (modules being loaded, a daemon that will not be quiet) goes to the
worker's own log.
"""

from __future__ import annotations

import logging
import time

from taskgate.worker.assignment import Assignment
from taskgate.worker.frames import STREAMS, Said
from taskgate.worker.slot import Slot
from taskgate.worker.telling import PoolOwner
from taskgate.worker.voice import LINE_COST_BYTES

LOG, STDOUT, STDERR = range(len(STREAMS))
_log = logging.getLogger(__name__)


class Speech:
    """Collects log lines of runs and passes them on to the owner."""

    def __init__(self, owner: PoolOwner) -> None:
        self._owner = owner

    def heard(self, assignment: Assignment, said: Said) -> None:
        """Lines that the task process sent itself; it keeps the run's room by itself too."""
        self._say(assignment, said.stream, said.lines, level=said.level, at=said.at)

    def read(self, slot: Slot, assignment: Assignment) -> None:
        """What was written to the fds until now, while the run goes on."""
        for stream, tail in ((STDOUT, slot.child.out), (STDERR, slot.child.err)):
            size = tail.size()
            if size != tail.at:
                lines, skipped = tail.read(size, assignment.max_log_bytes - assignment.log_bytes)
                assignment.dropped_bytes += skipped
                self._say(assignment, stream, lines)

    def finish(self, slot: Slot, assignment: Assignment, *, sizes: tuple[int, int]) -> None:
        """Everything up to these sizes of fd 1 and 2: what comes after belongs to the next run."""
        for stream, tail, size in ((STDOUT, slot.child.out, sizes[0]), (STDERR, slot.child.err, sizes[1])):
            if not tail.is_at(size):
                lines, skipped = tail.read(size, assignment.max_log_bytes - assignment.log_bytes)
                assignment.dropped_bytes += skipped
                self._say(assignment, stream, [*lines, *tail.flush()])
        if assignment.dropped_count or assignment.dropped_bytes:
            self._own_dropped(assignment)

    def tell_operator(self, slot: Slot) -> None:
        """Output that belongs to no run."""
        for tail in (slot.child.out, slot.child.err):
            lines, _ = tail.read(tail.size(), 64 << 10)
            for line in (*lines, *tail.flush()):
                _log.info("task process %d: %s", slot.pid, line)

    def _own_dropped(self, assignment: Assignment) -> None:
        counts = ((assignment.dropped_count, "lines"), (assignment.dropped_bytes, "bytes of output"))
        lost = " and ".join(f"{count} {what}" for count, what in counts if count)
        text = f"over the limit of {assignment.max_log_bytes} bytes of log per run: {lost} dropped"
        self._owner.said(assignment, LOG, level="warning", at=time.time(), lines=[text])

    def _say(
        self, assignment: Assignment, stream: int, lines: list[str], *, level: str = "info", at: float | None = None
    ) -> None:
        if lines and assignment.is_announced and assignment.ending != "lost":
            assignment.log_bytes += sum(map(len, lines)) + LINE_COST_BYTES * len(lines)
            self._owner.said(assignment, stream, level=level, at=time.time() if at is None else at, lines=lines)
