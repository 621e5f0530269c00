"""Whole lives of runs: `lifecycle.advance` and a ledger together, under whatever holders, callers and time do.

A Hypothesis state machine. Every event may come late: decisions are made on views that were read some time ago.
After each step a witness judges what changed (INV-T4, INV-T5, INV-F2); starts are counted by the machine alone
(INV-T6); in the end all runs must come to rest, whatever the workers are like (INV-T1).

    class MyLife(LifeMachine):
        open_stage = staticmethod(my_stage)     # ManualClock -> async context manager of a RunStage
    TestMyLife = MyLife.TestCase
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from taskgate.runs import happenings
from taskgate.runs.chain import advance_at, chain_of, queue_of
from taskgate.runs.lifecycle import advance
from taskgate.runs.ports import Applied, Move, Renewed
from taskgate.runs.run import Outcome, Run, RunError, Status
from taskgate.runs.task import Target, TaskDefinition, TaskLimits
from taskgate.testing.clock import ManualClock
from taskgate.testing.stage import RunStage, claim, grant, renewal
from taskgate.testing.witness import LedgerWitness, Violation

DEFINITION = TaskDefinition(
    name="text.echo",
    targets=[
        Target(retries=1, backoff_s=0.0, advance_after_s=120.0),
        Target(retries=0, labels={"gpu": "1"}),
        Target(retries=2, backoff_s=2.0, backoff_max_s=5.0, labels={"zone": "eu"}),
    ],
    limits=TaskLimits(schedule_to_start_s=90.0),
)
CHAIN = chain_of(DEFINITION)
LOSSES = 3  # the promises of the design, not the constants of the code
OFFERS = 10
MOST_OFFERS = sum((target.retries + 1) * OFFERS + LOSSES for target in CHAIN)

picks = st.integers(0, 1000)
seconds = st.sampled_from([0.01, 1.0, 5.0, 29.9, 30.0, 61.0, 200.0])
errors = st.builds(
    RunError,
    code=st.just("BROKEN"),
    retryable=st.booleans(),
    error_class=st.sampled_from(["task", "timeout", "crash", "lost", "invalid"]),
    retry_at=st.sampled_from([None, None, 0.0, 1_800_000_100.0]),
)


class LifeMachine(RuleBasedStateMachine):
    """Set `open_stage` in a subclass."""

    open_stage: Callable[[ManualClock], AbstractAsyncContextManager[RunStage]]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.opened = type(self).open_stage(self.clock)
        self.stage = self.runner.run(self.opened.__aenter__())
        self.witness = LedgerWitness(self.stage.ledger, self.stage.book)
        self.rng = Random(0)
        self.views: list[Run] = []
        self.begun: dict[tuple[str, int], int] = {}  # (run, attempt) whose start was told -> chain position
        self.offers: Counter[str] = Counter()

    # ---------------------------------------------------------------- what callers do

    @rule(
        delay_s=st.sampled_from([None, None, 3.0, 100.0]),
        deadline_s=st.sampled_from([None, 50.0]),
        leased=st.booleans(),
    )
    def submit(self, delay_s: float | None, deadline_s: float | None, *, leased: bool) -> None:
        now = self.clock.now()
        queued_at = now + (delay_s or 0.0)
        run = self.stage.run(
            status=Status.QUEUED if delay_s is None else Status.SCHEDULED,
            queue=queue_of("text.echo", CHAIN[0], version=""),
            due_at=None if delay_s is None else queued_at,
            start_by_at=queued_at + 90.0,
            advance_at=advance_at(CHAIN, 0, now=queued_at),
            deadline_at=None if deadline_s is None else now + deadline_s,
        )
        grants = {run.id: grant(token=f"{run.id}-1")} if leased else {}
        added = self.runner.run(self.witness.add([run], grants))[0].run
        self.offers[run.id] += added.attempt
        self.views.append(added)

    @precondition(lambda self: self.views)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        self._happen(self._view(pick), happenings.CancelAsked())

    # ---------------------------------------------------------------- what holders do

    @precondition(lambda self: self.views)
    @rule(pick=picks, accept=st.booleans())
    def take(self, pick: int, *, accept: bool) -> None:
        run = self._view(pick)
        leased = self.runner.run(self.witness.claim([claim(run, token=f"{run.id}-{self.offers[run.id] + 1}")]))[0]
        if leased is not None:
            self.offers[run.id] += 1
            self.views.append(leased)
            if accept:
                self._renew_view(leased)

    @precondition(lambda self: self.views)
    @rule(pick=picks)
    def renew(self, pick: int) -> None:
        self._renew_view(self._view(pick))

    @precondition(lambda self: self.views)
    @rule(pick=picks, output=st.sampled_from([b"1", b'"two"']))
    def succeed(self, pick: int, output: bytes) -> None:
        run = self._view(pick)
        event = happenings.Succeeded(output=output, digest=output.hex(), started_at=self.clock.now())
        if self._happen(run, event) is Applied.APPLIED:
            self._start(run)

    @precondition(lambda self: self.views)
    @rule(pick=picks, error=errors)
    def fail(self, pick: int, error: RunError) -> None:
        run = self._view(pick)
        if (
            self._happen(run, happenings.Failed(error=error, digest="f", started_at=self.clock.now()))
            is Applied.APPLIED
        ):
            self._start(run)

    @precondition(lambda self: self.views)
    @rule(pick=picks, reason=st.sampled_from(["busy", "draining", "schema"]))
    def refuse(self, pick: int, reason: str) -> None:
        run = self._view(pick)
        if (run.id, run.attempt) not in self.begun:  # a holder that began it does not refuse it
            self._happen(run, happenings.Refused(reason=reason))

    @precondition(lambda self: self.views)
    @rule(pick=picks)
    def lose(self, pick: int) -> None:
        run = self._view(pick)
        self._happen(run, happenings.HolderLost(reason="killed", begun=(run.id, run.attempt) in self.begun))

    # ---------------------------------------------------------------- what time does

    @rule(after_s=seconds, late=st.booleans())
    def wait(self, after_s: float, *, late: bool) -> None:
        """`late`: between the janitor's look and its word others may act; its views are kept for `expire`."""
        self.clock.advance(after_s)
        if late:
            self.views += self.runner.run(self.witness.expired(10))
        else:
            self._sweep()

    @precondition(lambda self: self.views)
    @rule(pick=picks)
    def expire(self, pick: int) -> None:
        self._happen(self._view(pick), happenings.LeaseExpired())

    def _sweep(self) -> None:
        for run in self.runner.run(self.witness.expired(100)):
            assert self._happen(run, happenings.LeaseExpired()) is Applied.APPLIED
        for run in self.runner.run(self.witness.due(100)):
            assert self._happen(run, happenings.TimerPassed()) is Applied.APPLIED

    # ---------------------------------------------------------------- what must hold

    @invariant()
    def starts_are_counted(self) -> None:
        """INV-T6: no target begins a run more often than its tries and three lost holders allow."""
        starts = Counter((run_id, position) for (run_id, _), position in self.begun.items())
        for (run_id, position), count in starts.items():
            assert count <= CHAIN[position].retries + LOSSES, (run_id, position, count)

    @invariant()
    def a_running_run_knows_its_tries(self) -> None:
        for run in self.witness.seen.values():
            if run.lease is not None:
                assert run.lease.accepted is ((run.id, run.attempt) in self.begun)
                assert run.tries <= CHAIN[run.chain_position].retries + 1

    def teardown(self) -> None:
        """Everything comes to rest: some workers never begin, some die, some fail (INV-T1, INV-T6)."""
        try:
            if not self.witness.is_violated:
                self._rest()
        finally:
            self.runner.run(self.opened.__aexit__(None, None, None))
            self.runner.close()

    def _rest(self) -> None:
        for _ in range(MOST_OFFERS * 3):
            self.clock.advance(31.0)
            self._sweep()
            for ref in self.runner.run(self.witness.queued("", 100)):
                self._serve(self.witness.seen[ref.run_id])
            if not any(run.is_open for run in self.witness.seen.values()):
                break
        self.starts_are_counted()
        still = [run for run in self.witness.seen.values() if run.is_open]
        if still:
            raise Violation(f"these never come to rest: {still}")

    # ---------------------------------------------------------------- the machine's own hands

    def _serve(self, run: Run) -> None:
        """One holder of an odd kind, named by the run's number."""
        kind = int(run.id[-4:], 16) % 4
        leased = self.runner.run(self.witness.claim([claim(run, token=f"{run.id}-{run.attempt + 1}")]))[0]
        assert leased is not None
        if kind == 1:
            self._renew_view(leased)
        elif kind == 2:
            self._fail_at_once(leased)
        elif kind == 3:
            self._happen(leased, happenings.Refused(reason="draining"))

    def _fail_at_once(self, run: Run) -> None:
        error = RunError(code="BROKEN", error_class="task")
        self._happen(run, happenings.Failed(error=error, digest="f", started_at=self.clock.now()))
        self._start(run)

    def _view(self, pick: int) -> Run:
        """A run as it was seen at some time, the newest views first."""
        return self.views[-1 - pick % len(self.views)]

    def _renew_view(self, run: Run) -> None:
        if self.runner.run(self.witness.renew([renewal(run)]))[0] is Renewed.HELD:
            self._start(run)
            self.views.append(self.witness.seen[run.id])

    def _start(self, run: Run) -> None:
        self.begun[run.id, run.attempt] = run.chain_position

    def _happen(self, run: Run, event: happenings.Event) -> Applied:
        """Decide on what was seen, apply to what is."""
        decided = advance(run, event, definition=DEFINITION, now=self.clock.now(), rng=self.rng)
        if isinstance(decided, happenings.Stale):
            return Applied.STALE
        return self._applied(decided)

    def _applied(self, decided: Move) -> Applied:
        verdict = self.runner.run(self.witness.apply([decided]))[0]
        if verdict is Applied.APPLIED:
            run = self.witness.seen[decided.run_id]
            self.views.append(run)
            if decided.end is not None and decided.end.outcome is Outcome.NOT_STARTED:
                assert (run.id, run.attempt) not in self.begun, "a begun attempt was taken for one that was not"
        return verdict
