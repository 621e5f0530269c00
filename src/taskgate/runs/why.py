"""Why a run is not running: an answer for people, with a stable code per reason.

It looks at the run and at who is connected at this moment, to whichever gateway, and changes nothing. Workers that do
not serve the run's tenant are neither counted nor named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskgate.clock import Clock
from taskgate.fleet.fleet import Fleet, able
from taskgate.fleet.holder import Holder
from taskgate.fleet.neighbours import WorkerPost
from taskgate.identity.principal import Principal
from taskgate.runs.chain import SERVICE_PREFIX
from taskgate.runs.desk import Desk
from taskgate.runs.run import Run, Status


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps a run waiting; `code` is stable upper snake case."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """`waiting` is False for a run that runs or has ended; the reasons then say that."""

    run_id: str
    status: Status
    waiting: bool
    reasons: tuple[Reason, ...]


class Explainer:
    """Looks at a run and at the connected workers."""

    def __init__(self, desk: Desk, fleet: Fleet, *, clock: Clock) -> None:
        self._desk = desk
        self._fleet = fleet
        self._clock = clock

    async def why(self, principal: Principal, run_id: str) -> Why:
        """The reasons in order of weight, at least one; NotFound as everywhere."""
        run = await self._desk.get(principal, run_id)
        waiting = run.status in (Status.QUEUED, Status.SCHEDULED)
        reasons = tuple(self._reasons(run))
        return Why(run_id=run.id, status=run.status, waiting=waiting, reasons=reasons)

    def _reasons(self, run: Run) -> list[Reason]:
        if run.status is Status.SCHEDULED:
            left = max((run.due_at or 0.0) - self._clock.now(), 0.0)
            word = "RETRY_LATER" if run.attempt else "DELAYED"
            return [Reason(word, f"waits {left:.1f} s more until its time has come")]
        if run.status is Status.RUNNING:
            who = run.lease.holder if run.lease else "nobody"
            begun = run.lease is not None and run.lease.accepted
            return [Reason("RUNNING" if begun else "OFFERED", f"attempt {run.attempt} is with {who}")]
        if run.status is not Status.QUEUED:
            return [Reason("ENDED", f"the run has ended: {run.status.value}")]
        return self._queued(run)

    def _queued(self, run: Run) -> list[Reason]:
        queue = run.queue
        if queue.task.startswith(SERVICE_PREFIX):
            return [self._service(run, queue.task.removeprefix(SERVICE_PREFIX))]
        offering = [h for h in able(self._fleet) if queue.task in h.tasks and h.serves(run.tenant.site_id)]
        if not offering:
            return [Reason("NO_WORKER", f"no connected worker offers {queue.text()}")]
        fitting = [h for h in offering if h.can_do(queue.task, version=queue.version, labels=queue.labels)]
        if not fitting:
            return [_misfit(offering, run)]
        if all(holder.draining for holder in fitting):
            return [Reason("DRAINING", "every worker that offers it is draining")]
        held = sum(holder.running for holder in fitting)
        slots = sum(holder.slots for holder in fitting)
        names = ", ".join(sorted(holder.id for holder in fitting)[:5])
        return [Reason("WORKERS_BUSY", f"{held} runs are held by {len(fitting)} workers with {slots} slots: {names}")]

    def _service(self, run: Run, name: str) -> Reason:
        holder = self._fleet.find(run.queue.task)
        if holder is None or not holder.serves(run.tenant.site_id):
            return Reason("NO_SERVICE", f"no service {name} is registered")
        if holder.draining:
            return Reason("SERVICE_AWAY", f"the service {name} has not renewed its registration")
        return Reason("SERVICE_BUSY", f"the service {name} is doing {len(holder.held)} of at most {holder.slots} runs")


def _misfit(offering: Sequence[Holder | WorkerPost], run: Run) -> Reason:
    queue = run.queue
    if queue.version and not any(queue.version in h.tasks[queue.task] for h in offering):
        return Reason("NO_SUCH_VERSION", f"no connected worker offers version {queue.version}")
    labels = ", ".join(f"{key}={value}" for key, value in queue.labels)
    if labels and not any(all(h.labels.get(k) == v for k, v in queue.labels) for h in offering):
        return Reason("LABELS", f"no connected worker has the labels {labels}")
    return Reason("SET_ASIDE", "workers that offer it did not begin it three times in a row and get no more")
