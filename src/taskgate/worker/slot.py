"""One place for a run at a time: a task process, the runs in line for it, and how both come to an end.

STARTING → READY → LEAVING → DEAD. A slot is never reused; the pool puts a fresh one in its place. A READY slot
that must lose its process (time limit, memory, leftovers of a run, end of the worker) goes to LEAVING first:
it takes nothing more, and what had not begun was taken back. Whether a run had begun is the tickets' to say: a
counter that both sides hold; the task process takes one before each run, we take back those that are left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Iterable
from enum import Enum, auto
from typing import Protocol

import msgspec

from taskgate.errors import RemoteLinkError
from taskgate.worker.assignment import Assignment
from taskgate.worker.frames import (
    Cancel,
    Done,
    Drop,
    Dropped,
    Frame,
    FrameReader,
    Go,
    Loaded,
    Piece,
    Progressed,
    Said,
    Taken,
    ToLink,
)
from taskgate.worker.frames import pack as packed
from taskgate.worker.spawning import Child

CHUNK_BYTES = 256 << 10
_decode = msgspec.msgpack.Decoder(ToLink).decode


class SlotState(Enum):
    STARTING = auto()
    READY = auto()
    LEAVING = auto()
    DEAD = auto()


class SlotOwner(Protocol):
    """Whom a slot tells what its process said. Called on the event loop."""

    def loaded(self, slot: Slot, loaded: Loaded) -> None: ...

    def done(self, slot: Slot, assignment: Assignment, *, done: Done) -> None: ...

    def said(self, slot: Slot, said: Said) -> None: ...

    def progressed(self, slot: Slot, progressed: Progressed) -> None: ...

    def pieced(self, slot: Slot, piece: Piece) -> None: ...

    def settled(self, slot: Slot) -> None: ...

    def exited(self, slot: Slot) -> None: ...


class Slot:
    """A task process from its start to its burial. `line[0]` is the run that it does, unless it has just ended."""

    def __init__(self, child: Child, owner: SlotOwner) -> None:
        self.child = child
        self.pid = child.process.pid
        self.state = SlotState.STARTING
        self.line: deque[Assignment] = deque()
        self.backlog_s = 0.0
        self.is_muted = False  # runs were taken back, and it has not said yet that it knows
        self.failure = ""
        self.was_useful = False  # it did a run, or began one
        self.ending: asyncio.Task[None] | None = None
        self.held: Assignment | None = None  # its run has ended, but is told only when the process has gone
        self.memory_bytes: int | None = None
        self.is_memory_watched = False
        self._owner = owner
        self._reader = FrameReader()
        self._number = 0
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(child.sock.fileno(), self.read)
        self._loop.add_reader(child.pid_fd, self._ended)
        self.changed = asyncio.Event()
        self.exited = asyncio.Event()

    @property
    def head(self) -> Assignment | None:
        """The run at hand, as far as the process has told."""
        return self.line[0] if self.line else None

    @property
    def takes(self) -> bool:
        """Whether a run may be given to it."""
        return self.state is SlotState.READY and not self.is_muted

    def give(self, assignments: Iterable[Assignment], now: float) -> None:
        """Put runs in line; the first begins at once when nothing is before it."""
        batch = bytearray()
        given = 0
        for assignment in assignments:
            self._number += 1
            given += 1
            assignment.number = self._number
            self.was_useful = True
            if not self.line:
                assignment.begun_at = now
            self.line.append(assignment)
            self.backlog_s += assignment.expected_s
            batch += packed(_go(assignment))
        os.eventfd_write(self.child.ticket_fd, given)
        self._send(batch)

    def recall(self) -> list[Assignment]:
        """Take back every run that has not begun; exact, whatever the process is doing at this moment."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                os.eventfd_read(self.child.ticket_fd)
                count += 1
        if not count:
            return []
        self.is_muted = True
        self._send(packed(Drop(count)))
        taken = [self.line.pop() for _ in range(min(count, len(self.line)))]
        for assignment in taken:
            assignment.begun_at = None
        self.backlog_s = sum(assignment.expected_s for assignment in self.line)
        return taken[::-1]

    def cancel(self, assignment: Assignment) -> None:
        """Tell the task at hand that it is no longer wanted."""
        self._send(packed(Cancel(assignment.number)))

    def answer(self, taken: Taken) -> None:
        """Tell the task what became of a piece."""
        if self.state is not SlotState.DEAD:
            self._send(packed(taken))

    def terminate(self) -> None:
        """SIGTERM to the task process itself; its subprocesses are its own to end, or ours to kill later."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def read(self) -> None:
        """Take in everything that the process has said."""
        while self.state is not SlotState.DEAD:
            try:
                chunk = self.child.sock.recv(CHUNK_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                chunk = b""
            if not chunk:
                self._loop.remove_reader(self.child.sock.fileno())
                return
            try:
                frames = [_decode(body) for body in self._reader.feed(chunk)]
                for frame in frames:
                    self._heard(frame)
            except (RemoteLinkError, msgspec.MsgspecError) as error:
                self.failure = f"the task process broke the protocol: {error}"
                self._loop.remove_reader(self.child.sock.fileno())
                self._owner.exited(self)
                return
            self._owner.settled(self)
            if len(chunk) < CHUNK_BYTES:
                return

    def bury(self) -> int | None:
        """Close everything of a process that has exited; returns its exit status (negative: the signal)."""
        self.state = SlotState.DEAD
        self._loop.remove_reader(self.child.pid_fd)
        self._loop.remove_reader(self.child.sock.fileno())
        self._loop.remove_writer(self.child.sock.fileno())
        self.changed.set()
        return self.child.process.poll()

    def _heard(self, frame: Frame) -> None:
        if isinstance(frame, Done):
            if not self.line or self.line[0].number != frame.number:
                raise RemoteLinkError("a result for a run that was not at hand")
            assignment = self.line.popleft()
            self.backlog_s = self.backlog_s - assignment.expected_s if self.line else 0.0
            if self.line:
                self.line[0].begun_at = time.monotonic()
            self._owner.done(self, assignment, done=frame)
            self.changed.set()
        elif isinstance(frame, Said):
            self._owner.said(self, frame)
        elif isinstance(frame, Progressed):
            self._owner.progressed(self, frame)
        elif isinstance(frame, Piece):
            self._owner.pieced(self, frame)
        elif isinstance(frame, Dropped):
            self.is_muted = False
        elif isinstance(frame, Loaded):
            if self.state is SlotState.STARTING:
                self.state = SlotState.READY
            self._owner.loaded(self, frame)

    def _ended(self) -> None:
        """It has exited. It is not collected yet: until its family is dead its pid must not become another's."""
        self._loop.remove_reader(self.child.pid_fd)
        self.read()  # what it said before it died
        self.exited.set()
        self._owner.exited(self)

    def _send(self, chunk: bytes | bytearray) -> None:
        if not self._unsent:
            try:
                sent = self.child.sock.send(chunk)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                return  # it has died; its exit tells
            if sent == len(chunk):
                return
            chunk = chunk[sent:]
            self._loop.add_writer(self.child.sock.fileno(), self._send_rest)
        self._unsent += chunk

    def _send_rest(self) -> None:
        try:
            sent = self.child.sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            sent = len(self._unsent)
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self.child.sock.fileno())


def _go(assignment: Assignment) -> Go:
    task = assignment.task
    return Go(
        assignment.number,
        task.run_id,
        task.attempt,
        task.capability,
        task.version,
        assignment.payload,
        assignment.timeout_s,
        assignment.max_output_bytes,
        assignment.max_log_bytes,
        task.tenant,
        task.labels,
        assignment.traceparent,
    )
