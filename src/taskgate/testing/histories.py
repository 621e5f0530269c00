"""Weighted random command histories, played against two backends that must give equal answers.

The commands are those that a gateway gives, a part of them late, wrong or repeated. A seed names a history for
ever; it stands in the message of every disagreement, together with the step and the command.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from msgspec.structs import replace

from taskgate.runs import happenings
from taskgate.runs.lifecycle import advance
from taskgate.runs.ports import Claim, Grant, Move, Renewal, RunFilter
from taskgate.runs.run import Run, RunError, Status, Tenant
from taskgate.runs.task import QueueKey, Target, TaskDefinition, TaskLimits
from taskgate.testing.stage import RunStage, move, numbered_id, token_of

DEFINITION = TaskDefinition(
    name="text.echo",
    targets=[
        Target(retries=1, backoff_s=0.5, advance_after_s=60.0),
        Target(retries=2, backoff_s=4.0, labels={"gpu": "1"}),
    ],
    limits=TaskLimits(schedule_to_start_s=30.0),
)
TASKS = ("text.echo", "text.shout")
SITES = ("site-a", "site-b")
LABELS = ((), (("team", "blue"),), (("team", "red"), ("size", "xl")))


class Disagreement(AssertionError):
    """Two backends answered differently."""


class History:
    """One history. `play` it once."""

    def __init__(self, one: RunStage, other: RunStage, *, seed: int) -> None:
        """Both stages must have been built with one clock and must be empty."""
        if one.clock is not other.clock:
            raise ValueError("both backends need the same clock")
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self._one = one
        self._other = other
        self._clock = one.clock
        self._rng = Random(seed)
        self._numbers = itertools.count(1)
        self._views: list[Run] = []  # runs as they were seen at some time: the newest and older ones
        self._ids: list[str] = []
        self._sent: list[Move] = []
        self._step = 0

    async def play(self, steps: int = 150) -> Counter[str]:
        """Play it; returns how often each command gave each kind of answer. Disagreement on the first difference."""
        commands = list(_WEIGHTS)
        weights = list(_WEIGHTS.values())
        for self._step in range(steps):
            await self._rng.choices(commands, weights)[0](self)
            if self._step % 10 == 0:
                await self._look()
        await self._look()
        return self.counts

    # ---------------------------------------------------------------- writing

    async def _add(self) -> None:
        runs = [self._fresh() for _ in range(self._rng.choice((1, 1, 2, 5, 40)))]
        if self._ids and self._rng.random() < 0.1:
            runs.append(replace(runs[0], id=self._rng.choice(self._ids), idempotency_key=""))
        grants = {run.id: self._grant() for run in runs if self._rng.random() < 0.3}
        added = await self._both("add", lambda stage: stage.ledger.add(runs, grants))
        self._ids += [run.id for run in runs]
        self._see(*(item.run for item in added))
        self._count("add", (item.verdict for item in added))

    async def _claim(self) -> None:
        claims = [Claim(run_id=run.id, grant=self._grant()) for run in self._some(6)]
        leased = await self._both("claim", lambda stage: stage.ledger.claim(claims))
        self._see(*(run for run in leased if run is not None))
        self._count("claim", ("leased" if run is not None else "refused" for run in leased))

    async def _renew(self) -> None:
        renewals = [self._renewal(run) for run in self._some(6)]
        renewed = await self._both("renew", lambda stage: stage.ledger.renew(renewals))
        self._count("renew", renewed)

    async def _apply(self) -> None:
        moves = [found for run in self._some(6) if (found := self._move(run)) is not None]
        if self._sent and self._rng.random() < 0.4:
            moves.append(self._rng.choice(self._sent))
        self._sent = (moves + self._sent)[:20]
        applied = await self._both("apply", lambda stage: stage.ledger.apply(moves))
        self._count("apply", applied)

    async def _sweep(self) -> None:
        limit = self._rng.choice((1, 3, 500))
        expired = await self._both("expired", lambda stage: stage.ledger.expired(limit))
        due = await self._both("due", lambda stage: stage.ledger.due(limit))
        self._see(*expired, *due)
        self.counts["expired"] += len(expired)
        self.counts["due"] += len(due)
        events = [(run, happenings.LeaseExpired()) for run in expired] + [
            (run, happenings.TimerPassed()) for run in due
        ]
        if self._rng.random() < 0.3:
            await self._renew()
        moves = [self._decided(run, event) for run, event in events]
        applied = await self._both("apply", lambda stage: stage.ledger.apply([m for m in moves if m is not None]))
        self._count("sweep", applied)

    async def _wait(self) -> None:
        self._clock.advance(self._rng.choice((0.001, 0.1, 1.0, 5.0, 31.0, 100.0)))

    # ---------------------------------------------------------------- reading and keeping

    async def _look(self) -> None:
        ids = [*self._ids[-200:], numbered_id(0)]
        found = await self._both("get", lambda stage: stage.book.get(ids))
        self._views = [run for run in found if run is not None] + self._views[:50]
        self.counts["get"] += len(self._views)

    async def _find(self) -> None:
        rng = self._rng
        wanted = RunFilter(
            site_id=rng.choice(SITES),
            user_id=rng.choice(("", "", "ann")),
            task=rng.choice(("", *TASKS)),
            status=rng.choice((None, None, *Status)),
            label=rng.choice((None, None, ("team", "blue"), ("size", "xl"))),
            dead=rng.random() < 0.3,
            limit=rng.choice((1, 5, 50)),
            cursor=rng.choice(("", *self._ids[-20:])),
        )
        found = await self._both("find", lambda stage: stage.book.find(wanted))
        self.counts["find"] += len(found)
        for site in SITES:
            await self._both("count", lambda stage, site=site: stage.book.count(site))  # type: ignore[misc]
        after = rng.choice(("", *self._ids[-20:]))
        await self._both("queued", lambda stage: stage.ledger.queued(after, 7))

    async def _keep(self) -> None:
        (run,) = self._some(1) or [self._fresh()]
        await self._both("mark_stopped", lambda stage: stage.book.mark_stopped(run.id, run.attempt))
        if self._rng.random() < 0.3:
            moment, limit = self._clock.now() - self._rng.choice((60.0, 300.0)), self._rng.choice((1, 5))
            gone = await self._both("purge", lambda stage: stage.book.purge(moment, limit))
            self.counts["purge"] += len(gone)
        if self._rng.random() < 0.3:
            asked = [some.id for some in self._some(4)]
            gone = await self._both("remove", lambda stage: stage.book.remove(asked), key=sorted)
            self.counts["remove"] += len(gone)

    # ---------------------------------------------------------------- making things up

    def _fresh(self) -> Run:
        rng, now, number = self._rng, self._clock.now(), next(self._numbers)
        task = rng.choice(TASKS)
        scheduled = rng.random() < 0.2
        key = rng.choice(("", "", f"k{rng.randint(0, 30)}"))
        return Run(
            id=numbered_id(number),
            tenant=Tenant(site_id=rng.choice(SITES), user_id=rng.choice(("", "ann", "bob"))),
            task=task,
            definition="d",
            labels=rng.choice(LABELS),
            queue=QueueKey(task=task),
            priority=rng.randint(-2, 2),
            input=rng.choice((b"1", b'"\xc3\xa4"', b"[0]" * 1000)),
            status=Status.SCHEDULED if scheduled else Status.QUEUED,
            created_at=now,
            due_at=now + rng.uniform(0, 20) if scheduled else None,
            start_by_at=now + 30 if rng.random() < 0.5 else None,
            advance_at=now + 60 if rng.random() < 0.5 else None,
            deadline_at=now + rng.uniform(1, 200) if rng.random() < 0.3 else None,
            idempotency_key=key,
            body_digest=rng.choice("ab") if key else "",
            retry_of=rng.choice(self._ids) if self._ids and rng.random() < 0.1 else "",
        )

    def _grant(self) -> Grant:
        holder = f"w{self._rng.randint(1, 4)}"
        return Grant(holder=holder, token=f"t{next(self._numbers)}", duration_s=self._rng.choice((1.0, 5.0)))

    def _renewal(self, run: Run) -> Renewal:
        rng = self._rng
        return Renewal(
            run_id=run.id,
            attempt=run.attempt + (rng.random() < 0.05),
            token="guess" if rng.random() < 0.05 else token_of(run),
            duration_s=rng.choice((10.0, 30.0)),
            started_at=self._clock.now() - rng.random() if rng.random() < 0.5 else None,
        )

    def _move(self, run: Run) -> Move | None:
        rng = self._rng
        found = self._decided(run, self._event()) or (move(run, run.status) if rng.random() < 0.1 else None)
        if found is not None and rng.random() < 0.1:
            wrong: list[dict[str, Any]] = [
                {"attempt": found.attempt + 1},
                {"from_position": found.chain_position + 1},
                {"from_position": None},
                {"token": "guess"},
                {"token": None},
                {"from_statuses": frozenset({Status.QUEUED, Status.SCHEDULED})},
                {"result_digest": "other"},
                {"lease_expires_at": self._clock.now() + 5.0},
                {"status": Status.FAILED},
            ]
            found = replace(found, **rng.choice(wrong))
        return found

    def _decided(self, run: Run, event: happenings.Event) -> Move | None:
        found = advance(run, event, definition=DEFINITION, now=self._clock.now(), rng=self._rng)
        return None if isinstance(found, happenings.Stale) else found

    def _event(self) -> happenings.Event:
        rng, now = self._rng, self._clock.now()
        error = RunError(
            code=rng.choice(("TASK_FAILED", "ÜBEL")),
            message=rng.choice(("", 'it\'s "odd"\n')),
            retryable=rng.random() < 0.7,
            error_class=rng.choice(("task", "timeout", "crash")),
            retry_at=rng.choice((None, None, now + 3.25)),
        )
        began_at = rng.choice((None, now - 0.5))
        return rng.choice(
            (
                happenings.Succeeded(output=b'"done"', digest="right", started_at=began_at),
                happenings.Failed(error=error, started_at=began_at, digest="wrong", response=rng.choice((None, b"{}"))),
                happenings.LeaseExpired(),
                happenings.HolderLost(reason="bye", begun=rng.random() < 0.5, started_at=began_at),
                happenings.Refused(reason=rng.choice(("busy", "draining"))),
                happenings.CancelAsked(),
                happenings.TimerPassed(),
            )
        )

    # ---------------------------------------------------------------- comparing

    async def _both(
        self, name: str, ask: Callable[[RunStage], Awaitable[Any]], *, key: Callable[[Any], Any] = lambda answer: answer
    ) -> Any:
        one, other = key(await ask(self._one)), key(await ask(self._other))
        if one != other:
            raise Disagreement(f"seed={self.seed} step={self._step} {name}:\n  {_shown(one, other)}")
        return one

    def _some(self, most: int) -> list[Run]:
        return [self._rng.choice(self._views) for _ in range(self._rng.randint(1, most))] if self._views else []

    def _see(self, *runs: Run) -> None:
        self._views[:0] = runs

    def _count(self, name: str, verdicts: Any) -> None:
        self.counts.update(f"{name} {verdict}" for verdict in verdicts)


def _shown(one: Any, other: Any) -> str:
    """The first items that differ, as people can read them."""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        place = next(place for place in range(len(one)) if one[place] != other[place])
        one, other = one[place], other[place]
        prefix = f"item {place}: "
    else:
        prefix = ""
    if isinstance(one, Run) and isinstance(other, Run):
        pairs = ((name, getattr(one, name), getattr(other, name)) for name in Run.__struct_fields__)
        return prefix + "; ".join(f"{name}: {a!r} != {b!r}" for name, a, b in pairs if a != b)
    return f"{prefix}{one!r}\n  {other!r}"


_WEIGHTS: dict[Callable[[History], Awaitable[None]], int] = {
    History._add: 12,
    History._claim: 20,
    History._renew: 15,
    History._apply: 25,
    History._sweep: 8,
    History._wait: 10,
    History._find: 8,
    History._keep: 6,
}
