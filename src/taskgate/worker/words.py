"""Neighbouring log lines of one stream become one message.

A task that logs line by line would otherwise cost a message per line, on both sides of the link. Lines are held
back only until whoever feeds them is done with its turn (`close`), so nothing gets later by being gathered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from taskgate.wire.messages import Log, LogLine
from taskgate.worker.assignment import Assignment

BATCH_CHARS = 64 << 10
BATCH_LINES = 500


class Words:
    """Gathers lines; `put` takes each message, `wake` is told when one left by itself.

    Order is kept: another stream or run closes what is open.
    """

    def __init__(self, put: Callable[[Log], None], *, wake: Callable[[], None]) -> None:
        self._put = put
        self._wake = wake
        self._assignment: Assignment | None = None
        self._stream = ""
        self._lines: list[LogLine] = []
        self._chars = 0
        self._closing: asyncio.Handle | None = None

    def add(self, assignment: Assignment, stream: str, *, lines: list[LogLine]) -> None:
        """Numbered lines of one stream of a run."""
        if assignment is not self._assignment or stream != self._stream:
            self.close()
            self._assignment, self._stream = assignment, stream
        for line in lines:
            if self._lines and (self._chars + len(line.text) > BATCH_CHARS or len(self._lines) >= BATCH_LINES):
                self._tell()
            self._lines.append(line)
            self._chars += len(line.text)
        if self._lines and self._closing is None:
            self._closing = asyncio.get_running_loop().call_soon(self._close_by_itself)

    def close(self) -> None:
        """Pass on what is gathered."""
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        self._tell()
        self._assignment = None

    def _close_by_itself(self) -> None:
        self.close()
        self._wake()

    def _tell(self) -> None:
        lines, assignment = self._lines, self._assignment
        if not lines or assignment is None:
            return
        self._lines, self._chars = [], 0
        task = assignment.task
        self._put(
            Log(
                run_id=task.run_id,
                attempt=task.attempt,
                lease_token=task.lease_token,
                stream=self._stream,
                lines=lines,
            )
        )
