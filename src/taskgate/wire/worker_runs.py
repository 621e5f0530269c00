"""The runs that a worker has, with their fences: what is offered, running or being stopped, and which results wait.

Every moment here is the worker's own monotonic time. A fence only ever moves away, by an answer to a request,
and only as far as that request's sending allows; once it has passed, the run is stopped for good (INV-F4).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

import msgspec

from taskgate.errors import LeaseLost, LocalLinkError
from taskgate.wire.link import MOVES, Hold
from taskgate.wire.log_window import RunKey
from taskgate.wire.messages import Accept, Cancel, Message, Receipt, Refuse, Stopped, Task, TaskResult


class WorkerRun:
    """One run on this worker; `start_by_at` matters while it is offered, `confirm_at` while nobody has renewed it."""

    __slots__ = ("confirm_at", "fence_at", "receipt", "start_by_at", "state")

    def __init__(self, task: Task, *, start_by_at: float, fence_at: float) -> None:
        self.receipt = Receipt(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token)
        self.state = Hold.OFFERED
        self.start_by_at = start_by_at
        self.fence_at = fence_at
        self.confirm_at = inf

    def rest(self) -> None:
        """It has ended here and only its words wait for room: nothing is left that a fence must stop."""
        if self.state is Hold.RUNNING:
            self.fence_at = inf


class WorkerRuns:
    """All runs of one worker, by (run id, attempt)."""

    def __init__(self, results: Iterable[TaskResult]) -> None:
        self.active: dict[RunKey, WorkerRun] = {}
        self.results: dict[RunKey, TaskResult] = {(r.run_id, r.attempt): r for r in results}

    def move(self, key: RunKey, message: type[Message], *, now: float) -> Hold:
        """Move a run on as the table says. LeaseLost: an accept that comes too late; LocalLinkError: not legal."""
        run = self.active.get(key)
        if message is Accept and (run is None or run.state is Hold.STOPPING or now >= run.fence_at):
            raise LeaseLost(f"the offer of {key[0]} is not held any more")
        if run is None:
            raise LocalLinkError(f"{key[0]} attempt {key[1]} is not here")
        state = MOVES.get((run.state, message))
        if state is None:
            raise LocalLinkError(f"{message.__name__} does not fit a run that is {run.state}")
        run.state = state
        if state is Hold.GONE or state is Hold.ENDED:
            del self.active[key]
        return state

    def order_stop(self, key: RunKey) -> tuple[Hold, Receipt] | None:
        """Somebody wants the run stopped: the state it was in. None when there is nothing (more) to stop."""
        run = self.active.get(key)
        if run is None or run.state is Hold.STOPPING:
            return None
        before, run.state = run.state, MOVES[run.state, Cancel]
        if before is Hold.OFFERED:
            del self.active[key]
        return before, run.receipt

    def renewed(self, receipt: Receipt, safe_until: float) -> None:
        """A lease was confirmed until then, by this worker's clock and with the margin taken off."""
        run = self.active.get((receipt.run_id, receipt.attempt))
        if run is not None and run.state is Hold.RUNNING and run.receipt.lease_token == receipt.lease_token:
            run.confirm_at = inf
            run.fence_at = max(run.fence_at, safe_until)

    def held(self) -> list[Receipt]:
        """What is to be renewed: begun runs, and ended ones whose result is not settled yet."""
        running = [run.receipt for run in self.active.values() if run.state is Hold.RUNNING]
        ended = [Receipt(run_id=r.run_id, attempt=r.attempt, lease_token=r.lease_token) for r in self.results.values()]
        return running + ended

    def overdue(self, now: float) -> list[tuple[RunKey, Hold, str]]:
        """What time takes away: offers and runs past their fence (`fence`), offers past their start limit (`busy`)."""
        found: list[tuple[RunKey, Hold, str]] = []
        for key, run in self.active.items():
            if run.state is Hold.STOPPING:
                continue
            if run.fence_at <= now:
                found.append((key, run.state, "fence"))
            elif run.state is Hold.OFFERED and run.start_by_at <= now:
                found.append((key, run.state, "busy"))
        return found

    def moments(self) -> tuple[float, float]:
        """When the next run is overdue, and when the next unconfirmed one wants its lease confirmed."""
        overdue_at = confirm_at = inf
        for run in self.active.values():
            if run.state is Hold.OFFERED:
                overdue_at = min(overdue_at, run.fence_at, run.start_by_at)
            elif run.state is Hold.RUNNING:
                overdue_at = min(overdue_at, run.fence_at)
                confirm_at = min(confirm_at, run.confirm_at)
        return overdue_at, confirm_at

    def asked(self, confirm_at: float) -> None:
        """A heartbeat has just asked for every lease: unconfirmed runs ask again then, not sooner."""
        for run in self.active.values():
            if run.confirm_at < inf:
                run.confirm_at = confirm_at


def bounded(result: TaskResult, max_output_bytes: int) -> TaskResult:
    """The result itself, or the failure that stands for an output that no frame may carry."""
    size = memoryview(result.result).nbytes
    if size <= max_output_bytes:
        return result
    return msgspec.structs.replace(
        result,
        status="error",
        result=msgspec.Raw(b"null"),
        error={"message": f"the output has {size} bytes, {max_output_bytes} are allowed"},
        error_code="OUTPUT_TOO_LARGE",
        error_class="invalid",
        retryable=False,
    )


def refusal(of: Task | Receipt, reason: str) -> Refuse:
    """The offer goes back."""
    return Refuse(run_id=of.run_id, attempt=of.attempt, lease_token=of.lease_token, reason=reason)


def stopped(of: Receipt) -> Stopped:
    """Nothing of the run is here."""
    return Stopped(run_id=of.run_id, attempt=of.attempt, lease_token=of.lease_token)
