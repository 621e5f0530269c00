"""The holder of target `http`: one per service, with leases like any worker's, and calls where a worker has slots.

    offer ──▶ begun ──▶ calling ──▶ answered ──▶ reported
                           │
                           └── cut: cancelled, lease lost, overdue, or the gateway stops

An offer is begun at once and the call goes out. What is asked is the run's input: it and the attempt stand in the
ledger before the first byte leaves. The answer is reported like a worker's result and kept until the ledger has it.
Credit grows by one with every call that is over, so no service ever has more than its limit.

Who ends what: a cut call reports nothing but `stopped`. A lease whose time has passed without a renewal is cut here,
for somebody else may have the run. If the process dies, the leases run out and the runs go on elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError, TaskgateError, UpstreamBroken
from taskgate.fleet.holder import Holder
from taskgate.lifespan import TaskSet
from taskgate.proxy.caller import Caller
from taskgate.proxy.verdicts import headers_of, result_of_error, result_of_reply, target_of
from taskgate.routes.service import Service
from taskgate.runs.chain import service_queue
from taskgate.runs.definitions import Definitions
from taskgate.runs.dispatcher import Dispatcher
from taskgate.runs.leases import Held, Leases
from taskgate.runs.leasing import Leasing
from taskgate.runs.offers import timeout_of
from taskgate.runs.reporting import Reports
from taskgate.runs.run import Run
from taskgate.wire.messages import Receipt, Stopped, Task, TaskResult

_log = logging.getLogger(__name__)
LONGEST_S = 3600.0  # of a call for which nobody set a limit
AGAIN_S = 0.5
CANCELLED = "cancelled"


class RunRooms(Protocol):
    """What a holder needs of everything that moves runs."""

    @property
    def leases(self) -> Leases: ...

    @property
    def leasing(self) -> Leasing: ...

    @property
    def reports(self) -> Reports: ...

    @property
    def dispatcher(self) -> Dispatcher: ...


class _Call:
    """One call under way, and why it was cut."""

    __slots__ = ("cut", "held", "task")

    def __init__(self, held: Held) -> None:
        self.held = held
        self.cut = ""
        self.task: asyncio.Task[None] | None = None

    def end(self, reason: str) -> None:
        self.cut = self.cut or reason
        if self.task is not None:
            self.task.cancel()


class ServiceHolder:
    """Runs for one service. It is the seat of its own `holder`."""

    def __init__(
        self,
        service: Service,
        rooms: RunRooms,
        *,
        definitions: Definitions,
        clock: Clock,
        caller: Caller,
        limit: int,
        max_bytes: int,
        tasks: TaskSet,
    ) -> None:
        self.service = service
        self._rooms = rooms
        self._definitions = definitions
        self._clock = clock
        self._caller = caller
        self._max_bytes = max_bytes
        self._tasks = tasks
        self._calls: dict[tuple[str, int], _Call] = {}
        self._answers: list[TaskResult] = []
        self._telling = False
        queue = service_queue(service.name)
        self.holder = Holder(
            queue.task,
            self,
            instance="",
            site_id=None if service.shared else service.site_id,
            key_id="",
            transport="http",
            tasks={queue.task: frozenset({""})},
            labels={},
            slots=limit,
            now=clock.monotonic(),
            target="http",
        )
        self.holder.credit = limit

    # ---------------------------------------------------------------- the seat

    def offer(self, task: Task) -> None:
        """Begin the run and call."""
        held = self._rooms.leases.of_run(task.run_id, task.attempt)
        if held is not None and self._rooms.leasing.begin(held.receipt, self.holder):
            call = self._calls[task.run_id, task.attempt] = _Call(held)
            call.task = self._tasks.spawn(self._perform(call.held.run), name=f"run {task.run_id} forwarded")
            call.task.add_done_callback(lambda _: self._over(call))
        else:
            self._free()

    def cancel(self, run_id: str, attempt: int, *, reason: str) -> None:
        """Cut the call."""
        call = self._calls.get((run_id, attempt))
        if call is not None:
            call.end(reason)

    def drain(self, *, reason: str, reconnect: bool, delay_s: float) -> None:
        """Take nothing new."""
        self.holder.draining = True

    def close(self, code: int, reason: str) -> None:
        """Take nothing new; calls under way go on until the gateway stops."""
        self.holder.draining = True

    # ---------------------------------------------------------------- the rounds of whoever owns it

    @property
    def is_busy(self) -> bool:
        """Whether a call is under way, or an answer not with the ledger yet."""
        return bool(self._calls or self._answers or self._telling)

    def suits(self, service: Service) -> bool:
        """Whether this registration is one of the same service, for the same callers."""
        return self.holder.site_id == (None if service.shared else service.site_id)

    def held(self) -> list[Held]:
        """The leases of the calls under way."""
        return [call.held for call in self._calls.values()]

    def fence(self, stop: list[Receipt]) -> None:
        """Cut the calls whose lease is lost, or has passed without a renewal."""
        lost = {(receipt.run_id, receipt.attempt) for receipt in stop}
        now = self._clock.monotonic()
        for key, call in tuple(self._calls.items()):
            if key in lost or call.held.expires_at <= now:
                call.end("lost")

    # ---------------------------------------------------------------- a call

    async def _perform(self, run: Run) -> None:
        self._answers.append(await self._result(run))
        self._tell()

    def _over(self, call: _Call) -> None:
        """The call has ended, by an answer or by a cut."""
        run = call.held.run
        del self._calls[run.id, run.attempt]
        if call.cut and self.holder.held.get(run.id) == run.attempt:
            del self.holder.held[run.id]
        if call.cut == CANCELLED:
            self._tasks.spawn(self._stopped(call.held), name="stopped call")
        self._free()

    async def _result(self, run: Run) -> TaskResult:
        """The run's answer by its service, as a result."""
        known = self._definitions.digests.met(run.definition)
        now = self._clock.now
        if known is None:
            return result_of_error(run, TaskgateError("the definition is lost", code="DEFINITION_LOST"), now=now())
        target = known.chain[run.chain_position]
        try:
            reply = await self._caller.call(
                self.service,
                target.method,
                target=target_of(self.service, target),
                headers=headers_of(run),
                body=run.input,
                timeout_s=timeout_of(run, self._definitions) or LONGEST_S,
                max_bytes=self._max_bytes,
            )
            return result_of_reply(run, reply, now=now())
        except TaskgateError as error:
            return result_of_error(run, error, now=now())
        except Exception:
            _log.exception("run %s could not be forwarded to %s", run.id, self.service.name)
            return result_of_error(run, UpstreamBroken("the call failed in the gateway"), now=now())

    async def _stopped(self, held: Held) -> None:
        """Tell that nothing of a cancelled run goes on; when the store is away nobody needs to know."""
        receipt = held.receipt
        said = Stopped(run_id=receipt.run_id, attempt=receipt.attempt, lease_token=receipt.lease_token)
        try:
            await self._rooms.reports.stopped(self.holder, [said])
        except (NotNow, StoreError) as error:
            _log.warning("run %s has stopped at %s: %s", receipt.run_id, self.service.name, error)

    # ---------------------------------------------------------------- answers

    def _tell(self) -> None:
        if not self._telling:
            self._telling = True
            self._tasks.spawn(self._report(), name=f"answers of {self.service.name}")

    async def _report(self) -> None:
        """Report what has been answered, all of it at once, until the ledger has it."""
        try:
            while batch := self._answers:
                self._answers = []
                try:
                    await self._rooms.reports.results(batch, self.holder)
                except (NotNow, StoreError) as error:
                    _log.warning("answers of %s wait: %s", self.service.name, error)
                    self._answers = batch + self._answers
                    await asyncio.sleep(AGAIN_S)
        finally:
            self._telling = False

    def _free(self) -> None:
        """One more offer may come."""
        self.holder.credit += 1
        self._rooms.dispatcher.wake(self.holder)
