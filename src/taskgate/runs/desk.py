"""What callers do with runs once they exist: look, wait, cancel, retry, clear dead letters.

Every verb checks the tenant first. A run of another site, or of another user for a key bound to a user, is
answered exactly like one that does not exist (INV-A1). A cancel that commits before the result wins; after
it the answer is the final state (INV-T9).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import msgspec

from taskgate.errors import Conflict, NotFound, TaskgateError
from taskgate.fleet.fleet import Fleet
from taskgate.identity.principal import Principal
from taskgate.ids import is_id
from taskgate.journal.ports import Journal
from taskgate.runs import happenings
from taskgate.runs.intake import Accepted, Intake, Submission
from taskgate.runs.leases import Leases
from taskgate.runs.ports import Applied, Glance, RunBook, RunFilter
from taskgate.runs.run import OPEN, Run, Status
from taskgate.runs.settling import Change, Settler
from taskgate.runs.waiting import Waiters

MAX_WAIT_S = 300.0
LINGER_S = 0.01
POLL_S = 5.0  # another gateway may have ended the run: its news can be lost, the ledger's word cannot


class Desk:
    """The caller's side of runs. `is_shared`: other gateways move runs of this ledger too."""

    def __init__(
        self,
        book: RunBook,
        intake: Intake,
        *,
        settler: Settler,
        leases: Leases,
        fleet: Fleet,
        waiters: Waiters,
        journal: Journal,
        is_shared: bool = False,
        keep: Callable[[Sequence[str]], Awaitable[None]] | None = None,
    ) -> None:
        self._book = book
        self._intake = intake
        self._settler = settler
        self._leases = leases
        self._fleet = fleet
        self._waiters = waiters
        self._journal = journal
        self._is_shared = is_shared
        self._keep = keep

    async def get(self, principal: Principal, run_id: str) -> Run:
        """The whole run with all attempts."""
        principal.require("read")
        found = await self._book.get([run_id]) if is_id(run_id) else [None]
        return _seen(principal, found[0])

    async def find(self, principal: Principal, wanted: RunFilter) -> list[Run]:
        """Runs of the caller's tenant, newest first; the filter's own tenant fields are overwritten."""
        principal.require("read")
        user_id = principal.user_id or wanted.user_id
        return await self._book.find(msgspec.structs.replace(wanted, site_id=principal.site_id, user_id=user_id))

    async def cancel(self, principal: Principal, run_id: str) -> Run:
        """Cancel an open run at once and for good. Conflict with `extra["status"]` when it has ended."""
        principal.require("submit")
        for _ in range(10):
            run = await self._read(principal, run_id)
            if not run.is_open:
                raise Conflict(
                    f"the run has already {run.status.value.replace('_', ' ')}",
                    code="RUN_ENDED",
                    extra={"status": run.status.value},
                )
            settled = (await self._settler.settle([Change(run, happenings.CancelAsked())]))[0]
            if settled.verdict is Applied.APPLIED:
                self._stop_holder(run)
                return settled.run
        raise Conflict("the run changes too quickly, try again", code="BUSY")

    async def retry(self, principal: Principal, run_id: str) -> Run:
        """A new run with the same input and `retry_of`; Conflict while the old one is open."""
        run = await self._read(principal, run_id)
        if run.is_open:
            raise Conflict("the run is still open", code="RUN_OPEN", extra={"status": run.status.value})
        submission = Submission(
            task=run.task,
            version=run.version,
            input=run.input,
            priority=run.priority,
            timeout_s=run.timeout_s,
            labels=run.labels,
            idempotency_key=f"retry:{run.id}",
            retry_of=run.id,
        )
        owner = replace(principal, user_id=run.tenant.user_id, app_id=run.tenant.app_id)
        verdict: Accepted | TaskgateError = (await self._intake.submit(owner, [submission]))[0]
        if isinstance(verdict, TaskgateError):
            raise verdict
        return verdict.run

    async def wait(self, principal: Principal, run_ids: Sequence[str], *, timeout_s: float) -> list[Run]:
        """Those of the runs that have ended, as soon as at least one has; [] at the timeout.

        A run that the caller may not see is NotFound for the whole call. Where several are awaited, those that
        end within `LINGER_S` of the first come along.
        """
        principal.require("read")
        if not all(is_id(run_id) for run_id in run_ids):
            raise _unknown()
        clock = asyncio.get_running_loop().time
        deadline = clock() + min(max(timeout_s, 0.0), MAX_WAIT_S)
        while True:
            with self._waiters.watch(run_ids) as watch:
                glances = await self._book.glance(run_ids)
                ended = [r for r, seen in zip(run_ids, glances, strict=True) if not _glimpsed(principal, seen)]
                left_s = deadline - clock()
                if ended or left_s <= 0:
                    return await self._ended(ended)
                linger_s = LINGER_S if len(run_ids) > 1 else 0.0
                runs = await watch.first(min(left_s, POLL_S), linger_s=linger_s)
                if runs:
                    return await self._whole(runs)

    async def wait_fresh(self, accepted: Accepted, timeout_s: float) -> Run | None:
        """The end of a run that this very caller just submitted to wait for it, None at the timeout.

        Reads nothing, unless another gateway may end the run.
        """
        run, ended = accepted.run, accepted.ended
        if ended is None:
            return await self._ended_anywhere(run, timeout_s) if run.is_open else run
        try:
            if self._is_shared:
                return await self._ended_anywhere(run, timeout_s)
            await asyncio.wait((ended,), timeout=min(timeout_s, MAX_WAIT_S))
            return (await self._whole([ended.result()]))[0] if ended.done() else None
        finally:
            ended.cancel()

    async def _ended_anywhere(self, run: Run, timeout_s: float) -> Run | None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + min(timeout_s, MAX_WAIT_S)
        while True:
            with self._waiters.watch([run.id]) as watch:
                (glance,) = await self._book.glance([run.id])
                if glance is not None and glance.status not in OPEN:
                    return (await self._book.get([run.id]))[0]
                left_s = deadline - clock()
                ended = await watch.first(min(left_s, POLL_S))
            if ended or left_s <= POLL_S:
                return (await self._whole(ended))[0] if ended else None

    async def purge_dead(self, principal: Principal, *, run_ids: Sequence[str] = (), task: str = "") -> int:
        """Delete dead letters: these, or all of a task, or all; returns how many."""
        principal.require("submit")
        if run_ids:
            runs = [await self._read(principal, run_id) for run_id in run_ids]
            return await self._remove([run.id for run in runs if run.status is Status.FAILED])
        count = 0
        while found := await self.find(
            principal, RunFilter(site_id=principal.site_id, task=task, dead=True, limit=500)
        ):
            removed = await self._remove([run.id for run in found])
            count += removed
            if not removed:
                break
        return count

    async def _ended(self, run_ids: list[str]) -> list[Run]:
        """These runs as they ended, from memory as far as they ended here just now."""
        found = {run_id: self._waiters.remembered.take(run_id) for run_id in run_ids}
        unknown = [run_id for run_id, run in found.items() if run is None]
        if unknown:
            found.update(zip(unknown, await self._book.get(unknown), strict=True))
        return [run for run in found.values() if run is not None]

    async def _whole(self, runs: list[Run]) -> list[Run]:
        """The runs with their earlier attempts, which those that needed one alone do not have."""
        several = [run.id for run in runs if run.attempt > 1]
        whole = {run.id: run for run in await self._book.get(several) if run is not None} if several else {}
        return [whole.get(run.id, run) for run in runs]

    async def _remove(self, run_ids: list[str]) -> int:
        if self._keep is not None:
            await self._keep(run_ids)
        await self._journal.purge(run_ids)  # first: a crash in between leaves a run, which can be purged again
        return len(await self._book.remove(run_ids))

    async def _read(self, principal: Principal, run_id: str) -> Run:
        found = await self._book.get([run_id]) if is_id(run_id) else [None]
        return _seen(principal, found[0])

    def _stop_holder(self, run: Run) -> None:
        held = self._leases.of_run(run.id, run.attempt)
        if held is None:
            return
        self._leases.drop(held)
        holder = self._fleet.find(held.worker_id)
        if holder is not None:
            holder.seat.cancel(run.id, run.attempt, reason="cancelled")


def _unknown() -> NotFound:
    return NotFound("no such run", code="UNKNOWN_RUN")


def _glimpsed(principal: Principal, glance: Glance | None) -> bool:
    """Whether a run that this principal may see is open; NotFound when it may not."""
    if glance is None or glance.site_id != principal.site_id:
        raise _unknown()
    if principal.user_id and glance.user_id != principal.user_id:
        raise _unknown()
    return glance.status in OPEN


def _seen(principal: Principal, run: Run | None) -> Run:
    """The run if this principal may see it."""
    if run is None or run.tenant.site_id != principal.site_id:
        raise _unknown()
    if principal.user_id and run.tenant.user_id != principal.user_id:
        raise _unknown()
    return run
