"""When a task process may be interrupted by SIGTERM, so that it never stops half-way through a frame.

IDLE    waiting for work: it leaves at once
BUSY    our own code: the wish is noted and obeyed before the next run begins
TASK    the task's code: a sync one gets RunStopped raised where it stands, an async one is cancelled
held    inside TASK, while a frame goes out: noted, and raised when the frame is whole
Only the main thread runs signal handlers, and only the main thread runs tasks.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import Enum, auto
from types import FrameType, TracebackType

from taskgate.worker.verdicts import RunStopped


class Mode(Enum):
    IDLE = auto()
    BUSY = auto()
    TASK = auto()


class Latch:
    """`mode` is set by the process's loop; `interrupt` is set while an async task runs."""

    __slots__ = ("_depth", "_hold", "_main", "interrupt", "mode", "stop_wanted")

    def __init__(self) -> None:
        self.mode = Mode.BUSY
        self.stop_wanted = False
        self.interrupt: Callable[[], None] | None = None
        self._depth = 0
        self._main = threading.get_ident()
        self._hold = _Hold(self)

    def install(self) -> None:
        """Answer SIGTERM from now on. Ctrl-C is the supervisor's to hear."""
        signal.signal(signal.SIGTERM, self._asked)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def held(self) -> AbstractContextManager[None]:
        """No interruption inside; one that came is raised at the end, unless the block raises something itself."""
        return self._hold

    def _asked(self, _signal: int, _frame: FrameType | None) -> None:
        self.stop_wanted = True
        if self.mode is Mode.IDLE:
            raise SystemExit(0)
        if self.mode is Mode.TASK and not self._depth:
            self._interrupt()

    def _interrupt(self) -> None:
        if self.interrupt is None:
            raise RunStopped("the run must end now")
        self.interrupt()

    def _enter(self) -> None:
        if threading.get_ident() == self._main:
            self._depth += 1

    def _leave(self, *, quietly: bool) -> None:
        if threading.get_ident() == self._main:
            self._depth -= 1
            if self.stop_wanted and self.mode is Mode.TASK and not self._depth and not quietly:
                self._interrupt()


class _Hold(AbstractContextManager[None]):
    __slots__ = ("_latch",)

    def __init__(self, latch: Latch) -> None:
        self._latch = latch

    def __enter__(self) -> None:
        self._latch._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._latch._leave(quietly=kind is not None)
