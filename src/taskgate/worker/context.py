"""What a running task knows about its run, and how it speaks while it runs.

A function marked `@task` gets one when it has a parameter annotated `Context`. Without a gateway, in a test
or a script, `Context()` works as it is: what the task says goes to the logger `taskgate.task`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from typing import IO, Any, Protocol

from taskgate.worker.handing import UploadedLog, hand_over

LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
_log = logging.getLogger("taskgate.task")


class Listener(Protocol):
    """Where a context's words go; thread-safe."""

    def log(self, text: str, level: str) -> None: ...

    def progress(self, fraction: float, text: str) -> None: ...

    def is_cancelled(self) -> bool: ...

    def hand(self, name: str, offset: int, *, content: bytes, sha256: str) -> int: ...


class LocalListener:
    """Outside a task process: words go to the process's own log."""

    __slots__ = ()

    def log(self, text: str, level: str) -> None:
        _log.log(logging.getLevelNamesMapping()[level.upper()], "%s", text)

    def progress(self, fraction: float, text: str) -> None:
        _log.info("%3.0f%% %s", fraction * 100, text)

    def is_cancelled(self) -> bool:
        return False

    def hand(self, name: str, offset: int, *, content: bytes, sha256: str) -> int:
        if sha256:
            _log.info("log %s: %d bytes", name, offset)
        return offset + len(content)


class Context:
    """The run at hand.

    `run_id`, `attempt` (counts every lease; the first try may be above 1), `task`, `tenant` (`site_id`,
    `user_id`, `app_id` as far as known) and `labels` as the caller gave them. `traceparent` (W3C Trace Context, "" for
    none) is the caller's trace with what this worker does as the parent: spans of the task's own belong below it.
    """

    __slots__ = ("_deadline_at", "_listener", "attempt", "labels", "run_id", "task", "tenant", "traceparent")

    def __init__(
        self,
        *,
        run_id: str = "",
        attempt: int = 1,
        task: str = "",
        tenant: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        traceparent: str = "",
        timeout_s: float | None = None,
        listener: Listener | None = None,
    ) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self.task = task
        self.tenant: Mapping[str, str] = tenant or {}
        self.labels: Mapping[str, str] = labels or {}
        self.traceparent = traceparent
        self._deadline_at = None if timeout_s is None else time.monotonic() + timeout_s
        self._listener: Listener = listener or LocalListener()

    def log(self, text: object, *, level: str = "info") -> None:
        """Write an entry into the run's journal; `level` is debug, info, warning, error or critical."""
        if level not in LEVELS:
            raise ValueError(f"level is one of {', '.join(sorted(LEVELS))}, not {level!r}")
        self._listener.log(text if isinstance(text, str) else str(text), level)

    def progress(self, fraction: float, text: str = "") -> None:
        """Say how much is done, 0..1 (values outside are clipped), with a word about it."""
        fraction = float(fraction)
        if fraction != fraction:  # NaN says nothing
            fraction = 0.0
        self._listener.progress(min(max(fraction, 0.0), 1.0), text)

    def upload_log(self, source: str | os.PathLike[str] | IO[Any], *, name: str) -> UploadedLog:
        """Keep a big log with the run: a path, or an open file (bytes or text) from where it stands. `taskgate runs
        logs ID --stream NAME` reads it, also while it grows.

        Waits until all of it is durable, in bounded memory. TooLarge (LOG_TOO_LARGE) beyond the gateway's limit,
        Conflict when another log has this name, LeaseLost when the run is not ours any more, Unavailable when the
        gateway was away for a minute: calling again goes on where it stopped.
        """
        return hand_over(source, name, hand=self._listener.hand)

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants this run to stop: return soon. Cheap enough for an inner loop."""
        return self._listener.is_cancelled()

    @property
    def time_left_s(self) -> float | None:
        """Seconds until this try is stopped, never below zero; None when it has no limit."""
        return None if self._deadline_at is None else max(0.0, self._deadline_at - time.monotonic())
