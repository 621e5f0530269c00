"""`AsyncClient`: the verbs of a caller, awaited. One object serves any number of tasks of one event loop.

Every verb performs one plan and wraps what it gives; what is decided is decided there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Unpack

from taskgate.client import plans
from taskgate.client.aio.desks import DeadLetters, Gateways, Keys, Queues, Routes, Services, Tasks, Tokens, Workers
from taskgate.client.aio.line import AsyncCaller, AsyncLine
from taskgate.client.aio.run import AsyncRun
from taskgate.client.door import find_door
from taskgate.client.requests import RunQuery, SubmitOptions
from taskgate.client.retries import Patience
from taskgate.client.shapes import RunState, Verdict
from taskgate.errors import TaskgateError


class AsyncClient(AsyncCaller):
    """A caller of one gateway, found as `find_door` says when `url` and `api_key` are not given.

    Use it as a context manager, or `close` it; `patience` bounds every call.
    Errors are those of `taskgate.errors`: CallerError (change the request), NotNow (try later), RunEnded.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None, *, patience: Patience | None = None) -> None:
        super().__init__(AsyncLine(find_door(url, api_key), patience or Patience()))
        self.tasks = Tasks(self._line)
        self.workers = Workers(self._line)
        self.queues = Queues(self._line)
        self.gateways = Gateways(self._line)
        self.services = Services(self._line)
        self.routes = Routes(self._line)
        self.keys = Keys(self._line)
        self.tokens = Tokens(self._line)
        self.dead = DeadLetters(self._line)

    async def submit(
        self, task: str, value: Any = None, *, idempotency_key: str | None = None, **options: Unpack[SubmitOptions]
    ) -> AsyncRun:
        """A new run of the task. With an `idempotency_key` of your own, the same call again gives the same run."""
        plan = plans.submit(task, value, key=idempotency_key, options=options, patience=self._line.patience)
        return AsyncRun(self._line, await self._line.finish(plan), is_whole=False)

    async def submit_many(
        self,
        task: str,
        values: Iterable[Any],
        *,
        idempotency_key: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> list[Verdict[AsyncRun]]:
        """One run per value, in batches of up to 1,000; a verdict per value, in order. A generator may give them."""
        plan = plans.submit_many(task, values, key=idempotency_key, options=options, patience=self._line.patience)
        return [self._verdict(item) async for item in self._line.items(plan)]

    async def call(
        self,
        task: str,
        value: Any = None,
        *,
        wait_s: float | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Any:
        """Submit, wait for the end and return the output's value; NotNow (STILL_RUNNING) after `wait_s` seconds.

        `wait_s` bounds the waiting alone: the work is bounded by `timeout_s` (one try) and `deadline_s` (all of it).
        """
        plan = plans.call(
            task, value, key=idempotency_key, options=options, patience=self._line.patience, wait_s=wait_s
        )
        return (await self._line.finish(plan)).outcome()

    async def run(self, run_id: str) -> AsyncRun:
        """The run of this id as it is now; NotFound for an unknown or foreign one."""
        return AsyncRun(self._line, await self._line.finish(plans.get_run(run_id, self._line.patience)), is_whole=True)

    async def runs(self, *, limit: int = 50, **query: Unpack[RunQuery]) -> AsyncGenerator[AsyncRun, None]:
        """Up to `limit` runs, newest first, fetched page by page."""
        async with aclosing(self._line.items(plans.find_runs(query, limit, patience=self._line.patience))) as states:
            async for state in states:
                yield AsyncRun(self._line, state)

    async def wait_many(self, runs: Iterable[AsyncRun | str], timeout_s: float | None = None) -> list[AsyncRun]:
        """The runs, in the order given, once all have ended; NotNow (STILL_RUNNING) when they do not."""
        wanted = [ref if isinstance(ref, str) else ref.id for ref in runs]
        ended = {run.id: run async for run in self.as_completed(wanted, timeout_s=timeout_s)}
        return [ended[run_id] for run_id in wanted]

    async def as_completed(
        self, runs: Iterable[AsyncRun | str], *, timeout_s: float | None = None
    ) -> AsyncGenerator[AsyncRun, None]:
        """Each run once, as it ends; NotNow (STILL_RUNNING, `extra["ids"]`) when some do not in time."""
        wanted = [ref if isinstance(ref, str) else ref.id for ref in runs]
        plan = plans.as_completed(wanted, timeout_s, patience=self._line.patience)
        async with aclosing(self._line.items(plan)) as states:
            async for state in states:
                yield AsyncRun(self._line, state, is_whole=True)

    def _verdict(self, item: RunState | TaskgateError) -> Verdict[AsyncRun]:
        if isinstance(item, TaskgateError):
            return Verdict(error=item)
        return Verdict(accepted=AsyncRun(self._line, item))
