"""A run as an object: everything a caller does with one.

Each verb performs one plan; attributes tell what was last heard and never ask.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from taskgate.client import following, plans
from taskgate.client.aio.line import AsyncLine
from taskgate.client.shapes import Entry, RunState, Why
from taskgate.client.view import RunView


class AsyncRun(RunView):
    """One doing of a task. Got from a client, never made by hand."""

    def __init__(self, line: AsyncLine, state: RunState, *, is_whole: bool = False) -> None:
        super().__init__(state, is_whole=is_whole)
        self._line = line

    def follow(self, *, after: int = 0) -> AsyncGenerator[Entry, None]:
        """Every journal entry behind number `after`, live, up to and with the result.

        Resumes by itself after a cut or a restart of the gateway: no entry is missing, none comes twice.
        """
        return self._line.items(following.follow(self.id, after, patience=self._line.patience))

    def journal(self, *, after: int = 0) -> AsyncGenerator[Entry, None]:
        """The journal entries that are there now; does not wait for more."""
        return self._line.items(following.journal(self.id, after, patience=self._line.patience))

    async def wait(self, timeout_s: float | None = None) -> AsyncRun:
        """This run once it has ended, however it did; NotNow (STILL_RUNNING) when that takes longer."""
        if self._needs_asking():
            self._learn(await self._line.finish(plans.wait(self.id, timeout_s, patience=self._line.patience)))
        return self

    async def output(self, timeout_s: float | None = None) -> Any:
        """The output's value, waited for. Raises RunFailed, RunCancelled, RunTimedOut; NotNow as `wait` does."""
        return (await self.wait(timeout_s))._state.outcome()

    async def cancel(self) -> AsyncRun:
        """Cancel it at once and for good; Conflict, with `extra["run_status"]`, when it has ended before."""
        self._learn(await self._line.finish(plans.cancel(self.id, self._line.patience)))
        return self

    async def retry(self) -> AsyncRun:
        """A new run of the same task and input; Conflict while this one is still open."""
        return AsyncRun(self._line, await self._line.finish(plans.retry(self.id, self._line.patience)))

    async def why(self) -> Why:
        """Why it is not running: no worker for it, waiting until some moment, ..."""
        return await self._line.finish(plans.why(self.id, self._line.patience))
