"""A run as an object: everything a caller does with one.

Each verb performs one plan; attributes tell what was last heard and never ask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from taskgate.client import following, plans
from taskgate.client.shapes import Entry, RunState, Why
from taskgate.client.sync.line import Line
from taskgate.client.view import RunView


class Run(RunView):
    """One doing of a task. Got from a client, never made by hand."""

    def __init__(self, line: Line, state: RunState, *, is_whole: bool = False) -> None:
        super().__init__(state, is_whole=is_whole)
        self._line = line

    def follow(self, *, after: int = 0) -> Iterator[Entry]:
        """Every journal entry behind number `after`, live, up to and with the result.

        Resumes by itself after a cut or a restart of the gateway: no entry is missing, none comes twice.
        """
        yield from self._line.items(following.follow(self.id, after, patience=self._line.patience))

    def journal(self, *, after: int = 0) -> Iterator[Entry]:
        """The journal entries that are there now; does not wait for more."""
        yield from self._line.items(following.journal(self.id, after, patience=self._line.patience))

    def wait(self, timeout_s: float | None = None) -> Run:
        """This run once it has ended, however it did; NotNow (STILL_RUNNING) when that takes longer."""
        if self._needs_asking():
            self._learn(self._line.finish(plans.wait(self.id, timeout_s, patience=self._line.patience)))
        return self

    def output(self, timeout_s: float | None = None) -> Any:
        """The output's value, waited for. Raises RunFailed, RunCancelled, RunTimedOut; NotNow as `wait` does."""
        return self.wait(timeout_s)._state.outcome()

    def cancel(self) -> Run:
        """Cancel it at once and for good; Conflict, with `extra["run_status"]`, when it has ended before."""
        self._learn(self._line.finish(plans.cancel(self.id, self._line.patience)))
        return self

    def retry(self) -> Run:
        """A new run of the same task and input; Conflict while this one is still open."""
        return Run(self._line, self._line.finish(plans.retry(self.id, self._line.patience)))

    def why(self) -> Why:
        """Why it is not running: no worker for it, waiting until some moment, ..."""
        return self._line.finish(plans.why(self.id, self._line.patience))
