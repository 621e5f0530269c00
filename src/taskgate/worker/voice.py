"""How a task process speaks to the link process: results, progress and log lines as frames.

`sys.stdout` and `sys.stderr` write here, line by line; what is written to fd 1 and 2 behind Python's back
stays in their memory files, which the link process reads. A run may say `max_log_bytes`; what is over that
is counted and dropped here, so a flood never waits for anybody.
A process that a task forks must not write frames: in it, Python's streams are the plain fds again.
"""

from __future__ import annotations

import io
import logging
import os
import socket
import threading
import time
from typing import Any

from taskgate.worker.frames import STREAMS, Frame, Progressed, Said, pack
from taskgate.worker.latch import Latch
from taskgate.worker.lines import LINE_BYTES, LineSplitter

LINE_COST_BYTES = 32  # what a line costs beside its text
BATCH_BYTES = 512 << 10
LOG, STDOUT, STDERR = range(len(STREAMS))


class Voice:
    """The sending side of a task process; any thread may use it."""

    def __init__(self, sock: socket.socket, latch: Latch) -> None:
        self._sock = sock
        self._latch = latch
        self._lock = threading.RLock()
        self._splitters = (LineSplitter(), LineSplitter(), LineSplitter())
        self._number = 0
        self._room_bytes = LINE_BYTES
        self.is_forked = False
        self.dropped_count = 0
        os.register_at_fork(after_in_child=self._forked)

    def begin(self, number: int, room_bytes: int) -> None:
        """From now on words belong to this run."""
        self._number, self._room_bytes, self.dropped_count = number, room_bytes, 0

    def finish(self) -> None:
        """Say the unfinished lines: the run is over."""
        for stream in (STDOUT, STDERR):
            if not self._splitters[stream].is_empty:
                self.say(stream, self._splitters[stream].flush())

    def send(self, frame: Frame) -> None:
        """Send a frame whole; waits while the link process is busy. A stop that comes meanwhile is raised after it."""
        packed = pack(frame)
        with self._latch.held(), self._lock:
            self._sock.sendall(packed)

    def say(self, stream: int, lines: list[str], *, level: str = "info") -> None:
        """Log lines; those beyond the run's room are counted and dropped."""
        if self.is_forked:
            return  # the lines are its parent's, who says them
        with self._latch.held(), self._lock:
            cost = sum(len(line) for line in lines) + LINE_COST_BYTES * len(lines)
            if cost > self._room_bytes:
                lines, cost = self._fitting(lines)
            if lines:
                self._room_bytes -= cost
                self._sock.sendall(pack(Said(self._number, stream, level, time.time(), lines)))

    def write(self, stream: int, chunk: bytes) -> None:
        """Bytes of a stream, cut into lines."""
        if self.is_forked:
            os.write(stream, chunk)  # STDOUT and STDERR are the numbers of their fds
            return
        for at in range(0, len(chunk), BATCH_BYTES):
            with self._lock:
                lines = self._splitters[stream].feed(chunk[at : at + BATCH_BYTES])
            if lines:
                self.say(stream, lines)

    def progress(self, fraction: float, text: str) -> None:
        text = text[:LINE_BYTES].encode(errors="backslashreplace").decode()
        if not self.is_forked:
            self.send(Progressed(self._number, fraction, text, time.time()))

    def log(self, text: str, level: str) -> None:
        """An entry of `context.log` or of the logging module; one with line breaks stays one entry."""
        chunk = text.encode(errors="backslashreplace")
        if len(chunk) > LINE_BYTES:
            splitter = LineSplitter()
            lines = [*splitter.feed(chunk), *splitter.flush()]
        else:
            lines = [chunk.decode()]
        if self.is_forked:
            os.write(STDOUT, b"".join(line.encode() + b"\n" for line in lines))
        else:
            self.say(LOG, lines, level=level)

    def _fitting(self, lines: list[str]) -> tuple[list[str], int]:
        kept, cost = 0, 0
        for line in lines:
            if cost + len(line) + LINE_COST_BYTES > self._room_bytes:
                break
            cost += len(line) + LINE_COST_BYTES
            kept += 1
        self._room_bytes = cost  # closed for the rest of the run, however short a later line is
        self.dropped_count += len(lines) - kept
        return lines[:kept], cost

    def _forked(self) -> None:
        self.is_forked = True
        self._lock = threading.RLock()


class LogStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a task process."""

    def __init__(self, voice: Voice, stream: int) -> None:
        super().__init__()
        self._voice = voice
        self._stream = stream
        self.buffer = LogBytes(voice, stream)

    encoding = "utf-8"
    errors = "backslashreplace"

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._voice.write(self._stream, text.encode(errors="backslashreplace"))
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream

    def reconfigure(self, **_: Any) -> None:
        """Nothing to do: every line leaves at once, as UTF-8."""


class LogBytes(io.RawIOBase):
    """`sys.stdout.buffer`: bytes into the same lines."""

    def __init__(self, voice: Voice, stream: int) -> None:
        super().__init__()
        self._voice = voice
        self._stream = stream

    def write(self, chunk: Any, /) -> int:
        taken = bytes(chunk)
        self._voice.write(self._stream, taken)
        return len(taken)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream


class LogEntries(logging.Handler):
    """The logging module's records as entries with their level."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(logging.INFO)
        self._voice = voice
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._voice.log(self.format(record), record.levelname.lower())
        except Exception:
            self.handleError(record)
