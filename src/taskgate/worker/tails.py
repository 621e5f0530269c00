"""Reads what a task process, its C code and its subprocesses write to fd 1 and 2.

Each is a memory file: writing to it never waits for a reader. It is read up to a size, so that the bytes of
one run are told from those of the next exactly, and what was read is given back to the system at once.
"""

from __future__ import annotations

import ctypes
import fcntl
import os

from taskgate.worker.lines import LineSplitter

CHUNK_BYTES = 256 << 10
_KEEP_SIZE_AND_PUNCH = 3
_libc = ctypes.CDLL(None, use_errno=True)


class Tail:
    """One memory file and how far it is read."""

    __slots__ = ("_splitter", "at", "fd")

    def __init__(self, name: str) -> None:
        self.fd = os.memfd_create(name)
        fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_APPEND)
        self._splitter = LineSplitter()
        self.at = 0

    def is_at(self, size: int) -> bool:
        """Whether there is nothing to read or to flush up to `size`."""
        return size == self.at and self._splitter.is_empty

    def size(self) -> int:
        """How much was written so far."""
        return os.fstat(self.fd).st_size

    def read(self, size: int, room_bytes: int) -> tuple[list[str], int]:
        """Lines completed up to `size`, of at most about `room_bytes`, and how many bytes were skipped for it."""
        if size <= self.at:
            if size < self.at and self.size() < self.at:  # somebody truncated the file
                self.at = self.size()
            return [], 0
        lines: list[str] = []
        end = min(size, self.at + max(0, room_bytes))
        start = self.at
        while self.at < end:
            chunk = os.pread(self.fd, min(CHUNK_BYTES, end - self.at), self.at)
            if not chunk:
                break
            lines += self._splitter.feed(chunk)
            self.at += len(chunk)
        skipped = size - self.at
        self.at = size
        self._forget(start, size)
        return lines, skipped

    def flush(self) -> list[str]:
        """The unfinished last line: its run is over."""
        return self._splitter.flush()

    def close(self) -> None:
        """Give the memory back."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _forget(self, start: int, end: int) -> None:
        offset, length = ctypes.c_longlong(start), ctypes.c_longlong(end - start)
        _libc.fallocate(self.fd, _KEEP_SIZE_AND_PUNCH, offset, length)
