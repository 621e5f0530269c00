"""The receiving side of a task process: runs in order, and wishes to cancel the one at hand.

A run may be begun only with a ticket, taken from a counter that both sides hold: the link process takes
tickets back to take runs back, so exactly one side gets each, whatever the other is doing.
While a task runs, nobody waits on the socket; it is looked at when the task asks whether it is cancelled.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec

from taskgate.worker.frames import Cancel, Drop, Dropped, Frame, FrameReader, Go, Setup, Taken, ToTask
from taskgate.worker.latch import Latch, Mode

LOOK_S = 0.001
ANSWER_LOOK_S = 0.05
CHUNK_BYTES = 256 << 10


class Mailbox:
    """Frames from the link process."""

    def __init__(self, sock: socket.socket, ticket_fd: int, *, latch: Latch, answer: Callable[[Frame], None]) -> None:
        self._sock = sock
        self._ticket_fd = ticket_fd
        self._latch = latch
        self._answer = answer
        self._reader = FrameReader()
        self._decode = msgspec.msgpack.Decoder(ToTask).decode
        self._runs: deque[Go] = deque()
        self._unwanted: set[int] = set()
        self._lock = threading.RLock()
        self._looked_at = 0.0
        self._taken: dict[int, Taken] = {}
        self.setup: Setup | None = None
        self.current = 0
        self.is_cancelled = False
        self.on_cancel: Callable[[], object] | None = None

    def fileno(self) -> int:
        """The socket, for an event loop to watch."""
        return self._sock.fileno()

    def wait_setup(self) -> Setup | None:
        """The first frame; None when the link process has gone."""
        while self.setup is None:
            if not self._wait():
                return None
        return self.setup

    def take(self) -> Go | None:
        """The next run that may begin, with its ticket; None when this process should end."""
        while not self._latch.stop_wanted:
            if self._runs and self._has_ticket():
                go = self._runs.popleft()
                self.current, self.is_cancelled = go.number, go.number in self._unwanted
                self._taken.clear()
                self._unwanted.discard(go.number)
                return go
            if not self._wait():
                return None
        return None

    def look(self) -> bool:
        """Whether the run at hand is cancelled; looks at the socket at most once a millisecond."""
        now = time.monotonic()
        if not self.is_cancelled and now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self.collect()
        return self.is_cancelled

    def collect(self) -> bool:
        """Read what has come, without waiting; False when the link process has gone."""
        with self._latch.held(), self._lock:
            try:
                chunk = self._sock.recv(CHUNK_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            return self._open(chunk)

    def answer_of(self, serial: int, number: int) -> Taken | None:
        """Wait for the answer to a piece of this run, and take it; None when the run or the link process has gone."""
        while serial not in self._taken:
            if self.current != number:
                return None
            select.select([self._sock], [], [], ANSWER_LOOK_S)  # another thread may read what we wait for
            if not self.collect():
                return None
        return self._taken.pop(serial, None)

    def _wait(self) -> bool:
        latch = self._latch
        latch.mode = Mode.IDLE
        try:
            if latch.stop_wanted:
                return False
            chunk = self._sock.recv(CHUNK_BYTES)
        finally:
            latch.mode = Mode.BUSY
        return self._open(chunk)

    def _has_ticket(self) -> bool:
        try:
            os.eventfd_read(self._ticket_fd)
        except BlockingIOError:
            return False
        return True

    def _open(self, chunk: bytes) -> bool:
        for body in self._reader.feed(chunk):
            frame = self._decode(body)
            if isinstance(frame, Go):
                self._runs.append(frame)
            elif isinstance(frame, Cancel):
                self._cancel(frame.number)
            elif isinstance(frame, Drop):
                for _ in range(frame.count):
                    self._unwanted.discard(self._runs.pop().number)
                self._answer(Dropped())
            elif isinstance(frame, Taken):
                if frame.number == self.current:
                    self._taken[frame.serial] = frame
            else:
                self.setup = frame
        return bool(chunk)

    def _cancel(self, number: int) -> None:
        if number == self.current:
            self.is_cancelled = True
            if self.on_cancel is not None:
                self.on_cancel()
        elif number > self.current:
            self._unwanted.add(number)  # the wish came together with the run
