"""Accepting work: check, make the run, commit, only then answer.

All submissions of one call are committed together and every one gets its own verdict. Where a worker is
waiting and nobody is ahead in that queue, the run's first lease is written in the very commit that accepts it.
A refused submission changes nothing. The idempotency key is scoped by (site, task).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import Conflict, InvalidInput, KeyReused, NotFound, TaskgateError, TooLarge, Unavailable
from taskgate.events import RunAccepted
from taskgate.histogram import Histogram
from taskgate.identity.principal import Principal
from taskgate.ids import new_id
from taskgate.lifespan import Finisher
from taskgate.runs.chain import advance_at, queue_of
from taskgate.runs.definitions import Definitions, Known
from taskgate.runs.dispatcher import Dispatcher
from taskgate.runs.matching import Matcher
from taskgate.runs.ports import AddVerdict, Grant, RunLedger
from taskgate.runs.run import Run, Status, Tenant
from taskgate.runs.settings import RunSettings
from taskgate.runs.waiting import Waiters
from taskgate.wire.depth import DEEPEST, is_too_deep

COMMIT_S = 1.4
MAX_DELAY_S = 366 * 86_400.0
MAX_LABELS = 32


class Submission(Struct, frozen=True, kw_only=True, gc=False):
    """One piece of work as the caller asked for it; `input` is JSON bytes that were parsed once for syntax."""

    task: str
    input: bytes
    version: str = ""
    priority: int = 0
    delay_s: float | None = None
    run_at: float | None = None
    timeout_s: float | None = None
    deadline_s: float | None = None
    labels: tuple[tuple[str, str], ...] = ()
    idempotency_key: str = ""
    retry_of: str = ""
    traceparent: str = ""


class Accepted(Struct, frozen=True):
    """The run is durable. `replayed` says that an earlier submit with the same key made it; `ended` is its end, for a
    caller who waits for it: cancel it to stop waiting."""

    run: Run
    replayed: bool
    ended: asyncio.Future[Run] | None = None


class Intake:
    """The door's side of runs: submissions in, verdicts out. `look_again` reads the definitions again, once for a task
    that is not known here and may be known to another gateway. `leaving`: still served here, but not for long;
    `closed`: no more."""

    def __init__(
        self,
        ledger: RunLedger,
        definitions: Definitions,
        *,
        matcher: Matcher,
        dispatcher: Dispatcher,
        bus: Bus,
        clock: Clock,
        waiters: Waiters,
        settings: RunSettings,
        probe: Callable[[str], None],
        look_again: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._ledger = ledger
        self._definitions = definitions
        self._matcher = matcher
        self._dispatcher = dispatcher
        self._bus = bus
        self._clock = clock
        self._waiters = waiters
        self._settings = settings
        self._probe = probe
        self._look_again = look_again
        self._finisher = Finisher()
        self.closed = False
        self.leaving = False
        self.took = Histogram()  # seconds per accepted call, for telemetry

    async def submit(
        self, principal: Principal, submissions: Sequence[Submission], *, waits: bool = False
    ) -> list[Accepted | TaskgateError]:
        """One verdict per submission, in order; the accepted ones are on disk when this returns. `waits`: the caller
        wants their ends, too, from before anybody can have worked on them."""
        principal.require("submit")
        if self.closed:
            raise Unavailable("the gateway is shutting down", code="DRAINING", retry_after_s=1.0)
        if self._look_again is not None and any(self._known(principal, one) is None for one in submissions):
            await self._look_again()
        verdicts: list[Accepted | TaskgateError | None] = [None] * len(submissions)
        runs: list[Run] = []
        places: list[int] = []
        now, began = self._clock.now(), self._clock.monotonic()
        for place, submission in enumerate(submissions):
            try:
                runs.append(self._made(principal, submission, now))
                places.append(place)
            except TaskgateError as error:
                verdicts[place] = error
        if runs:
            for place, verdict in zip(places, await self._in_time(runs, waits=waits), strict=True):
                verdicts[place] = verdict
            self.took.took(self._clock.monotonic() - began)
        return [verdict for verdict in verdicts if verdict is not None]

    async def _in_time(self, runs: list[Run], *, waits: bool) -> list[Accepted | TaskgateError]:
        """The verdicts of a commit. Whoever leaves or is told to come again leaves it behind as it is: what becomes
        durable all the same is given out at once, not when somebody looks for what was forgotten."""
        try:
            async with asyncio.timeout(COMMIT_S) as limit:
                return await self._finisher.finish(self._commit(runs, limit, waits=waits))
        except TimeoutError:
            detail = "the store does not answer; the same Idempotency-Key finds what it accepted meanwhile"
            raise Unavailable(detail, code="STORE_SLOW", retry_after_s=1.0) from None

    async def _commit(self, runs: list[Run], limit: asyncio.Timeout, *, waits: bool) -> list[Accepted | TaskgateError]:
        grants: dict[str, Grant] = {}
        for run in runs:
            if run.status is Status.QUEUED and (grant := self._matcher.reserve(run)) is not None:
                grants[run.id] = grant
        try:
            added = await self._ledger.add(runs, grants)
        except BaseException:
            self._matcher.release(grants.values())
            raise
        with suppress(RuntimeError):  # nobody waits any more
            limit.reschedule(None)  # it is durable: the caller is told so, however long giving it out takes
        self._probe("add|offer")
        verdicts: list[Accepted | TaskgateError] = []
        waiting: list[Run] = []
        for run, (verdict, stored) in zip(runs, ((item.verdict, item.run) for item in added), strict=True):
            grant = grants.get(run.id)
            if verdict is not AddVerdict.ADDED:
                if grant is not None:
                    self._matcher.release([grant])
                if verdict is AddVerdict.REPLAYED:
                    verdicts.append(Accepted(stored, replayed=True))
                else:
                    verdicts.append(KeyReused("this idempotency key was used with another body"))
                continue
            ended = self._waiters.future(stored.id) if waits else None
            verdicts.append(Accepted(stored, replayed=False, ended=ended))
            self._bus.publish(RunAccepted(stored))
            if grant is not None:
                self._dispatcher.deliver(stored)
                self._matcher.release([grant])  # settled, unless the answer came so late that the lease has passed on
            elif stored.status is Status.QUEUED:
                waiting.append(stored)
        if waiting:
            await self._queue(waiting)
        return verdicts

    async def _queue(self, waiting: list[Run]) -> None:
        """Offer what is accepted to whoever gets credit next. Where the ready queue is a server, the caller does not
        wait for it: its answer is the commit's, and what is never offered the reconciler finds."""
        if not self._dispatcher.is_shared:
            await self._dispatcher.enqueue(waiting)
            return
        self._matcher.note(run.queue for run in waiting)  # from now on nobody gets ahead of them
        self._dispatcher.tasks.spawn(self._dispatcher.enqueue(waiting), name="dispatcher offer")

    def _made(self, principal: Principal, submission: Submission, now: float) -> Run:
        known = self._known(principal, submission)
        if known is None:
            raise NotFound(f"no task {_quoted(submission.task, submission.version)}", code="UNKNOWN_TASK")
        self._check(submission, known)
        due_at = _due_at(submission, now)
        limits = known.definition.limits
        deadline_s = submission.deadline_s or limits.deadline_s or self._settings.deadline_s or None
        queued_at = due_at or now
        return Run(
            id=new_id(now),
            tenant=Tenant(site_id=principal.site_id, user_id=principal.user_id, app_id=principal.app_id),
            task=submission.task,
            version=submission.version,
            definition=known.digest,
            labels=submission.labels,
            queue=queue_of(submission.task, known.chain[0], version=submission.version),
            priority=submission.priority,
            input=submission.input,
            status=Status.SCHEDULED if due_at is not None else Status.QUEUED,
            created_at=now,
            due_at=due_at,
            start_by_at=None if limits.schedule_to_start_s is None else queued_at + limits.schedule_to_start_s,
            advance_at=advance_at(known.chain, 0, now=queued_at),
            deadline_at=None if deadline_s is None else now + deadline_s,
            timeout_s=submission.timeout_s,
            idempotency_key=submission.idempotency_key,
            body_digest=_digest(submission, principal.user_id) if submission.idempotency_key else "",
            retry_of=submission.retry_of,
            submitted_by=principal.id,
            traceparent=submission.traceparent,
        )

    def _known(self, principal: Principal, submission: Submission) -> Known | None:
        return self._definitions.known(principal.site_id, submission.task, version=submission.version)

    def _check(self, submission: Submission, known: Known) -> None:
        size = len(submission.input)
        if size > self._settings.max_input_bytes:
            raise TooLarge(
                f"the input has {size} bytes, the limit is {self._settings.max_input_bytes}",
                code="INPUT_TOO_LARGE",
                extra={"limit_bytes": self._settings.max_input_bytes},
            )
        if is_too_deep(submission.input):
            raise InvalidInput(f"the input is nested deeper than {DEEPEST} levels", code="INPUT_TOO_DEEP")
        if not -1_000_000 <= submission.priority <= 1_000_000:
            raise InvalidInput("priority is within ±1,000,000", extra={"path": "/priority"})
        if len(submission.idempotency_key) > 256:
            raise InvalidInput("an idempotency key has at most 256 characters", code="BAD_IDEMPOTENCY_KEY")
        if len(submission.labels) > MAX_LABELS or any(len(k) > 128 or len(v) > 256 for k, v in submission.labels):
            raise InvalidInput(f"at most {MAX_LABELS} labels of 128 = 256 characters", extra={"path": "/labels"})
        for name in ("timeout_s", "deadline_s"):
            seconds = getattr(submission, name)
            if seconds is not None and not 0 < seconds <= MAX_DELAY_S:
                raise InvalidInput(f"{name} is above 0 and at most {MAX_DELAY_S:.0f}", extra={"path": f"/{name}"})
        if known.schema is not None:
            known.schema.check(submission.input)


def _due_at(submission: Submission, now: float) -> float | None:
    """When a delayed run becomes due, None for one that may run at once."""
    if submission.delay_s is not None and submission.run_at is not None:
        raise Conflict("give delay_s or run_at, not both", code="DELAY_AND_RUN_AT")
    at = submission.run_at if submission.run_at is not None else None
    if submission.delay_s is not None:
        if not 0 <= submission.delay_s <= MAX_DELAY_S:
            raise InvalidInput(f"delay_s is within 0..{MAX_DELAY_S:.0f}", extra={"path": "/delay_s"})
        at = now + submission.delay_s
    if at is None or at <= now:
        return None
    if at > now + MAX_DELAY_S:
        raise InvalidInput("run_at is more than a year away", extra={"path": "/run_at"})
    return at


def _digest(submission: Submission, user_id: str) -> str:
    """What makes two submissions with one key the same: who it is for, and all the caller chose but the key itself.

    Another user of the site with the same key and body must not be handed a run that it may not see.
    """
    parts = (
        user_id,
        submission.version,
        submission.priority,
        submission.delay_s,
        submission.run_at,
        submission.timeout_s,
        submission.deadline_s,
        sorted(submission.labels),
        submission.retry_of,
    )
    return hashlib.sha256(repr(parts).encode() + b"\0" + submission.input).hexdigest()[:32]


def _quoted(task: str, version: str) -> str:
    name = "".join(c for c in task[:64] if c.isprintable())
    return f"{name} in version {version[:64]}" if version else name
