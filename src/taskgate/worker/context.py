"""What a running task knows about its run, and how it speaks while it runs.

A function marked `@task` gets one when it has a parameter annotated `Context`. Without a gateway, in a test
or a script, `Context()` works as it is: what the task says goes to the logger `taskgate.task`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Protocol

LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
_log = logging.getLogger("taskgate.task")


class Listener(Protocol):
    """Where a context's words go; thread-safe."""

    def log(self, text: str, level: str) -> None: ...

    def progress(self, fraction: float, text: str) -> None: ...

    def is_cancelled(self) -> bool: ...


class LocalListener:
    """Outside a task process: words go to the process's own log."""

    __slots__ = ()

    def log(self, text: str, level: str) -> None:
        _log.log(logging.getLevelNamesMapping()[level.upper()], "%s", text)

    def progress(self, fraction: float, text: str) -> None:
        _log.info("%3.0f%% %s", fraction * 100, text)

    def is_cancelled(self) -> bool:
        return False


class Context:
    """The run at hand.

    `run_id`, `attempt` (counts every lease; the first try may be above 1), `task`, `tenant` (`site_id`,
    `user_id`, `app_id` as far as known), `labels` and `traceparent` as the caller gave them.
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

    @property
    def cancelled(self) -> bool:
        """Whether somebody wants this run to stop: return soon. Cheap enough for an inner loop."""
        return self._listener.is_cancelled()

    @property
    def time_left_s(self) -> float | None:
        """Seconds until this try is stopped, never below zero; None when it has no limit."""
        return None if self._deadline_at is None else max(0.0, self._deadline_at - time.monotonic())
