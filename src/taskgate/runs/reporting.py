"""What holders say about their runs: results, refusals, stops, goodbyes.

Every report is checked against its receipt and against who shows it, first here, then by the ledger's
compare-and-set (INV-F1). A
report about a run that this process does not remember (it was restarted) is checked against the book. A
stale report changes nothing and is answered `stale`, so that the worker forgets it. A lease is forgotten only
after the commit that ends it: while the store is away its holder still holds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from taskgate.fleet.fleet import Fleet
from taskgate.fleet.holder import Holder
from taskgate.ids import is_id
from taskgate.runs import happenings
from taskgate.runs.deciding import INFRASTRUCTURE
from taskgate.runs.leases import Bearer, Held, Leases
from taskgate.runs.narrating import LATEST_AT
from taskgate.runs.ports import Applied, RunBook
from taskgate.runs.run import Run, RunError, Status
from taskgate.runs.settings import RunSettings
from taskgate.runs.settling import Change, Settler
from taskgate.wire.messages import EMPTY, Ack, Receipt, Refuse, Stopped, TaskResult

NEVER_RETRIED = frozenset({"invalid"})
NOTHING = bytes(EMPTY)
MAX_WORD = 128


class Reports:
    """The holder's side of runs."""

    def __init__(self, leases: Leases, settler: Settler, *, book: RunBook, fleet: Fleet, settings: RunSettings) -> None:
        self._leases = leases
        self._settler = settler
        self._book = book
        self._fleet = fleet
        self._settings = settings

    async def results(
        self, results: Sequence[TaskResult], bearer: Bearer | None, *, may_be_bare: bool = False
    ) -> list[Ack]:
        """One answer per result, in order, after its commit. The same result again is `replayed`.

        `bearer`: only what this worker holds or has held is judged; another's is stale, however good its receipt. None
        is a caller inside the gateway.

        `may_be_bare`: one without a receipt is completed from the lease that this worker has by the ledger's word.
        Simple clients know no receipts; one that came from another gateway brings results of runs unknown here.
        """
        if may_be_bare and bearer is not None:
            results = await self._completed(results, bearer)
        helds = [self._leases.find(_receipt(result)) for result in results]
        runs = await self._runs_of(results, bearer)
        changes = [
            self._change_of(result, run) if run is not None else None for result, run in zip(results, runs, strict=True)
        ]
        settled = iter(await self._settler.settle([change for change in changes if change is not None]))
        for result, held, run in zip(results, helds, runs, strict=True):
            if held is not None and run is not None:
                self.release(held)
            self._leave("" if bearer is None else bearer.id, result.run_id, result.attempt)
        acks: list[Ack] = []
        for result, change in zip(results, changes, strict=True):
            verdict = next(settled).verdict if change is not None else Applied.STALE
            acks.append(Ack(run_id=result.run_id, attempt=result.attempt, verdict=verdict.value))
        return acks

    async def refused(self, holder: Holder, refusals: Sequence[Refuse]) -> None:
        """Offers that came back; `unknown_task` and `schema` also strike the task off that worker."""
        changes: list[Change] = []
        helds: list[Held] = []
        for refusal in refusals:
            held = self._leases.find(_receipt(refusal), holder)
            if held is None:
                self._leave(holder.id, refusal.run_id, refusal.attempt)
                continue
            helds.append(held)
            avoid = "" if refusal.reason == "busy" else holder.id
            if refusal.reason in ("unknown_task", "schema"):
                holder.withdraw(held.run.task)
            changes.append(Change(held.run, happenings.Refused(reason=_word(refusal.reason)), avoid))
        await self._settler.settle(changes)
        for held in helds:
            self.release(held)

    async def lost(self, helds: Sequence[Held], *, reason: str) -> None:
        """The process that held these is dead or has left for good: end the leases now."""
        changes = []
        for held in helds:
            event = happenings.HolderLost(reason=reason, begun=held.accepted, started_at=held.started_at)
            changes.append(Change(held.run, event, held.worker_id))
        await self._settler.settle(changes)
        for held in helds:
            self.release(held)

    async def lost_receipts(self, bearer: Bearer, receipts: Sequence[Receipt], *, reason: str) -> None:
        """Like `lost`, for receipts that a goodbye names."""
        helds = [held for receipt in receipts if (held := self._leases.find(receipt, bearer)) is not None]
        await self.lost(helds, reason=reason)

    async def stopped(self, bearer: Bearer, reports: Sequence[Stopped]) -> None:
        """Runs that have left their worker: cancelled and lost ones, and those that it gave up by itself."""
        await self.lost_receipts(bearer, [_receipt(report) for report in reports], reason="the worker gave it up")
        for report in reports:
            self._leave(bearer.id, report.run_id, report.attempt)
        runs = await self._book.get([report.run_id for report in reports])
        for report, run in zip(reports, runs, strict=True):
            if run is not None and run.attempt == report.attempt and _is_with(run, bearer):
                await self._book.mark_stopped(report.run_id, report.attempt)

    async def timed_out(self, helds: Sequence[Held]) -> None:
        """Start-to-close limits that passed without a word from the worker."""
        changes = []
        for held in helds:
            error = RunError(
                code="START_TO_CLOSE_TIMEOUT", message="the try took longer than its limit", error_class="timeout"
            )
            changes.append(Change(held.run, happenings.Failed(error=error, started_at=held.started_at)))
        await self._settler.settle_apart(changes)
        for held in helds:
            self.release(held, order="timeout")

    def release(self, held: Held, *, order: str = "") -> None:
        """The end of this lease is committed: forget it, and where `order` says why, tell the holder to stop."""
        self._leases.drop(held)
        self._leave(held.worker_id, held.run.id, held.run.attempt)
        holder = self._fleet.find(held.worker_id) if order else None
        if holder is not None:
            holder.seat.cancel(held.run.id, held.run.attempt, reason=order)

    # ---------------------------------------------------------------- reading a report

    async def _completed(self, results: Sequence[TaskResult], bearer: Bearer) -> list[TaskResult]:
        bare = [result.run_id for result in results if not result.lease_token and is_id(result.run_id)]
        found = {run.id: run for run in (await self._book.get(bare) if bare else ()) if run is not None}
        return [_completed(result, found.get(result.run_id), bearer) for result in results]

    async def _runs_of(self, results: Sequence[TaskResult], bearer: Bearer | None) -> list[Run | None]:
        """The run behind each result as its holder knew it, None when the receipt is not good."""
        found: list[Run | None] = []
        unknown: list[int] = []
        for index, result in enumerate(results):
            held = self._leases.find(_receipt(result))
            found.append(held.run if held is not None else None)
            if held is None:
                unknown.append(index)
        if unknown:
            stored = await self._book.get([results[index].run_id for index in unknown])
            for index, run in zip(unknown, stored, strict=True):
                found[index] = run if run is not None and _may_report(run, results[index]) else None
        return [run if run is not None and (bearer is None or _is_with(run, bearer)) else None for run in found]

    def _change_of(self, result: TaskResult, run: Run) -> Change:
        """What a result does to its run; one whose task process died goes to another worker if there is one."""
        died = result.status == "error" and result.error_class in INFRASTRUCTURE
        avoid = run.lease.holder if died and run.lease is not None else ""
        return Change(run, self._event_of(result, run), avoid)

    def _event_of(self, result: TaskResult, run: Run) -> happenings.Event:
        held = self._leases.of_run(run.id)
        started_at = held.started_at if held is not None and held.started_at else _moment(result.started_at)
        if result.status == "error":
            failure = _error_of(result)
            digest = _digest(f"{failure.code}\0{failure.message}".encode())
            response = self._kept(result)
            return happenings.Failed(error=failure, response=response, started_at=started_at, digest=digest)
        output = bytes(result.result)
        if len(output) > self._settings.max_output_bytes:
            error = RunError(
                code="OUTPUT_TOO_LARGE",
                message=f"the output has {len(output)} bytes, the limit is {self._settings.max_output_bytes}",
                retryable=False,
            )
            return happenings.Failed(error=error, started_at=started_at, digest=_digest(output))
        return happenings.Succeeded(output=output, digest=_digest(output), started_at=started_at)

    def _kept(self, result: TaskResult) -> bytes | None:
        """What a holder answered beside its error, None for nothing or too much."""
        answer = bytes(result.result)
        return answer if answer != NOTHING and len(answer) <= self._settings.max_output_bytes else None

    def _leave(self, worker_id: str, run_id: str, attempt: int) -> None:
        """This attempt is no longer on this worker."""
        holder = self._fleet.find(worker_id)
        if holder is not None and holder.held.get(run_id) == attempt:
            del holder.held[run_id]


async def end_moved(
    reports: Reports, leases: Leases, *, worker_id: str, instance: str, held: Sequence[tuple[str, int]]
) -> None:
    """The worker is connected to another gateway now, from where it reports what it still holds.

    What an older process of it held and the new one does not is ended at once; the rest is forgotten here.
    """
    gone: list[Held] = []
    for one in leases.of_worker(worker_id):
        if one.instance != instance and (one.run.id, one.run.attempt) not in held:
            gone.append(one)
        else:
            leases.drop(one, tell=False)
    await reports.lost(gone, reason="the worker's link process died")


def _receipt(said: TaskResult | Refuse | Stopped) -> Receipt:
    return Receipt(run_id=said.run_id, attempt=said.attempt, lease_token=said.lease_token)


def _completed(result: TaskResult, run: Run | None, bearer: Bearer) -> TaskResult:
    if run is None or run.lease is None or not _is_with(run, bearer):
        return result
    return msgspec.structs.replace(result, attempt=run.attempt, lease_token=run.lease.token)


def _digest(answer: bytes) -> str:
    return hashlib.sha256(answer).hexdigest()[:32]


def _may_report(run: Run, result: TaskResult) -> bool:
    """Whether a result that we do not remember may be judged: the live lease, or a repeat of the ending one."""
    if run.attempt != result.attempt:
        return False
    if run.lease is not None:
        return run.lease.token == result.lease_token
    return run.status in (Status.SUCCEEDED, Status.FAILED)


def _is_with(run: Run, bearer: Bearer) -> bool:
    """Whether the present attempt, or the one that a run ended with, is this worker's."""
    holder = run.lease.holder if run.lease is not None else run.current.holder if run.current is not None else ""
    return holder == bearer.id and bearer.serves(run.tenant.site_id)


def _error_of(result: TaskResult) -> RunError:
    """The error a worker reported; simple clients send any JSON as `error`."""
    if isinstance(result.error, dict):
        message = str(result.error.get("message", result.error))
        code = str(result.error.get("code", "")) or result.error_code
    else:
        message, code = ("" if result.error is None else str(result.error)), result.error_code
    error_class = result.error_class or "task"
    retryable = error_class not in NEVER_RETRIED if result.retryable is None else result.retryable
    return RunError(
        code=_word(code or "TASK_FAILED"),
        message=message[:8192],
        retryable=retryable,
        error_class=error_class,
        retry_at=result.retry_at,
    )


def _word(said: str) -> str:
    """A worker's word for why; what no database keeps in a text is not in it."""
    return said[:MAX_WORD].replace("\0", "\ufffd")


def _moment(at: float) -> float | None:
    """A worker's moment, where a calendar has it."""
    return at if 0.0 < at <= LATEST_AT else None
