"""`Client`: the verbs of a caller, blocking. One object serves any number of threads.

Every verb performs one plan and wraps what it gives; what is decided is decided there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Unpack

from taskgate.client import plans
from taskgate.client.door import find_door
from taskgate.client.requests import RunQuery, SubmitOptions
from taskgate.client.retries import Patience
from taskgate.client.shapes import RunState, Verdict
from taskgate.client.sync.desks import DeadLetters, Gateways, Keys, Queues, Routes, Services, Tasks, Tokens, Workers
from taskgate.client.sync.line import Caller, Line
from taskgate.client.sync.run import Run
from taskgate.errors import TaskgateError


class Client(Caller):
    """A caller of one gateway, found as `find_door` says when `url` and `api_key` are not given.

    Use it as a context manager or leave it to the end of the process; `patience` bounds every call.
    Errors are those of `taskgate.errors`: CallerError (change the request), NotNow (try later), RunEnded.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None, *, patience: Patience | None = None) -> None:
        super().__init__(Line(find_door(url, api_key), patience or Patience()))
        self.tasks = Tasks(self._line)
        self.workers = Workers(self._line)
        self.queues = Queues(self._line)
        self.gateways = Gateways(self._line)
        self.services = Services(self._line)
        self.routes = Routes(self._line)
        self.keys = Keys(self._line)
        self.tokens = Tokens(self._line)
        self.dead = DeadLetters(self._line)

    def submit(
        self, task: str, value: Any = None, *, idempotency_key: str | None = None, **options: Unpack[SubmitOptions]
    ) -> Run:
        """A new run of the task. With an `idempotency_key` of your own, the same call again gives the same run."""
        plan = plans.submit(task, value, key=idempotency_key, options=options, patience=self._line.patience)
        return Run(self._line, self._line.finish(plan), is_whole=False)

    def submit_many(
        self,
        task: str,
        values: Iterable[Any],
        *,
        idempotency_key: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> list[Verdict[Run]]:
        """One run per value, in batches of up to 1,000; a verdict per value, in order. A generator may give them."""
        plan = plans.submit_many(task, values, key=idempotency_key, options=options, patience=self._line.patience)
        return [self._verdict(item) for item in self._line.items(plan)]

    def call(
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
        return self._line.finish(plan).outcome()

    def run(self, run_id: str) -> Run:
        """The run of this id as it is now; NotFound for an unknown or foreign one."""
        return Run(self._line, self._line.finish(plans.get_run(run_id, self._line.patience)), is_whole=True)

    def runs(self, *, limit: int = 50, **query: Unpack[RunQuery]) -> Iterator[Run]:
        """Up to `limit` runs, newest first, fetched page by page."""
        for state in self._line.items(plans.find_runs(query, limit, patience=self._line.patience)):
            yield Run(self._line, state)

    def wait_many(self, runs: Iterable[Run | str], timeout_s: float | None = None) -> list[Run]:
        """The runs, in the order given, once all have ended; NotNow (STILL_RUNNING) when they do not."""
        wanted = [ref if isinstance(ref, str) else ref.id for ref in runs]
        ended = {run.id: run for run in self.as_completed(wanted, timeout_s=timeout_s)}
        return [ended[run_id] for run_id in wanted]

    def as_completed(self, runs: Iterable[Run | str], *, timeout_s: float | None = None) -> Iterator[Run]:
        """Each run once, as it ends; NotNow (STILL_RUNNING, `extra["ids"]`) when some do not in time."""
        wanted = [ref if isinstance(ref, str) else ref.id for ref in runs]
        for state in self._line.items(plans.as_completed(wanted, timeout_s, patience=self._line.patience)):
            yield Run(self._line, state, is_whole=True)

    def _verdict(self, item: RunState | TaskgateError) -> Verdict[Run]:
        if isinstance(item, TaskgateError):
            return Verdict(error=item)
        return Verdict(accepted=Run(self._line, item))
