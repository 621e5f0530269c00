"""A pool with real task processes, and an owner that remembers everything it is told."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from taskgate.wire.messages import Task
from taskgate.worker.answers import Answer
from taskgate.worker.assignment import Assignment
from taskgate.worker.cgroups import CageYard
from taskgate.worker.frames import STREAMS, Progressed
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.slots import Pool

TASKS = "tests.flows.worker.tasks"
WITHIN_S = 20.0
_numbers = itertools.count(1)


class Witness:
    """The owner of a pool in tests."""

    def __init__(self) -> None:
        self.begun_ids: list[str] = []
        self.lines: dict[str, dict[str, list[str]]] = {}
        self.levels: dict[str, list[str]] = {}
        self.progress: dict[str, list[tuple[float, str]]] = {}
        self.answers: dict[str, Answer] = {}
        self.stopped_ids: list[str] = []
        self.refusals: dict[str, str] = {}
        self.refuse_begin: set[str] = set()
        self.news = asyncio.Event()

    def begun(self, assignment: Assignment) -> bool:
        self.begun_ids.append(assignment.task.run_id)
        self.news.set()
        return assignment.task.run_id not in self.refuse_begin

    def said(self, assignment: Assignment, stream: int, *, level: str, at: float, lines: list[str]) -> None:
        run_id = assignment.task.run_id
        self.lines.setdefault(run_id, {}).setdefault(STREAMS[stream], []).extend(lines)
        self.levels.setdefault(run_id, []).extend([level] * len(lines))
        self.news.set()

    def progressed(self, assignment: Assignment, progressed: Progressed) -> None:
        self.progress.setdefault(assignment.task.run_id, []).append((progressed.fraction, progressed.text))
        self.news.set()

    def ended(self, assignment: Assignment, answer: Answer, *, started_at: float, ended_at: float) -> None:
        assert assignment.task.run_id not in self.answers, "a run ended twice"
        assert 0 < started_at <= ended_at
        self.answers[assignment.task.run_id] = answer
        self.news.set()

    def stopped(self, assignment: Assignment) -> None:
        self.stopped_ids.append(assignment.task.run_id)
        self.news.set()

    def refused(self, assignment: Assignment, reason: str) -> None:
        self.refusals[assignment.task.run_id] = reason
        self.news.set()

    def changed(self) -> None:
        self.news.set()


class Bench:
    """One pool and what happens in it."""

    def __init__(self, *, yard: CageYard | None = None, **settings: Any) -> None:
        values: dict[str, Any] = {"tasks": (TASKS,), "slots": 1, "nice": 0, "cancel_grace_s": 0.4, "term_grace_s": 0.4}
        self.witness = Witness()
        self.pool = Pool(
            WorkerSettings(**{**values, **settings}),
            self.witness,
            yard=yard or CageYard({}),
            nonce=f"bench-{os.getpid()}-{next(_numbers)}",
            is_alone=False,
        )

    def offer(self, task: str, value: Any = None, *, count: int = 1, **options: Any) -> list[str]:
        """Offer runs and begin what can begin; their ids."""
        ids = [f"run-{next(_numbers)}" for _ in range(count)]
        limit = options.pop("max_output_bytes", 768 << 10)
        raw = msgspec.json.encode({} if value is None else value)
        for run_id in ids:
            offered = Task(
                run_id=run_id, tracking_id=run_id, attempt=1, lease_token="t", capability=task,
                payload=msgspec.Raw(raw), **options,
            )  # fmt: skip
            self.pool.offer(offered, raw, max_output_bytes=limit)
        self.pool.dispatch()
        return ids

    async def run(self, task: str, value: Any = None, **options: Any) -> Answer:
        """Offer one run and wait for its answer; what comes back as busy is offered again, as a gateway does."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                (run_id,) = self.offer(task, value, **options)
                await self.until(partial(self._is_told, run_id))
                if run_id in self.witness.answers:
                    return self.witness.answers[run_id]

    def _is_told(self, run_id: str) -> bool:
        return run_id in self.witness.answers or self.witness.refusals.get(run_id) == "busy"

    async def answer(self, run_id: str) -> Answer:
        await self.until(lambda: run_id in self.witness.answers)
        return self.witness.answers[run_id]

    async def until(self, claim: Callable[[], object], within_s: float = WITHIN_S) -> None:
        """Wait on news until the claim is true."""
        async with asyncio.timeout(within_s):
            while not claim():
                self.witness.news.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self.witness.news.wait()
                except TimeoutError:
                    continue


def value_of(answer: Answer) -> Any:
    """The output, or the error, as Python sees it."""
    return msgspec.json.decode(answer.body)
