"""A gateway over memory stores and a clock under the test's hand, with workers that are only seats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from taskgate.assembly import Gateway, build
from taskgate.config import Settings
from taskgate.errors import TaskgateError
from taskgate.fleet.holder import Holder
from taskgate.history.settings import ArchiveSettings
from taskgate.identity.principal import Principal
from taskgate.runs.intake import Accepted, Submission
from taskgate.runs.run import Run
from taskgate.runs.settings import RunSettings
from taskgate.runs.task import Target, TaskDefinition, TaskLimits
from taskgate.secret import Url
from taskgate.stores.settings import DatabaseSettings
from taskgate.testing.clock import ManualClock
from taskgate.wire.messages import Ack, Receipt, Task, TaskResult

ADMIN = Principal(id="k-admin", name="admin", scopes=frozenset({"admin"}))
OTHER = Principal(id="k-other", name="other", scopes=frozenset({"submit", "read"}), site_id="other")


class Crew:
    """A connected worker without a link: remembers what it was told."""

    def __init__(self, house: House, name: str, *, tasks: tuple[str, ...], credit: int, **options: Any) -> None:
        self.house = house
        self.offers: list[Task] = []
        self.cancels: list[tuple[str, int, str]] = []
        self.closed: tuple[int, str] | None = None
        versions = options.pop("versions", ("",))
        self.holder = Holder(
            name,
            self,
            instance=options.pop("instance", "i1"),
            site_id=options.pop("site_id", None),
            key_id="k-worker",
            transport="test",
            tasks={task: frozenset(versions) for task in tasks},
            labels=options.pop("labels", {}),
            slots=options.pop("slots", 1),
            now=house.clock.monotonic(),
        )
        self.holder.credit = credit

    def offer(self, task: Task) -> None:
        self.offers.append(task)
        self.house.news.set()

    def cancel(self, run_id: str, attempt: int, *, reason: str) -> None:
        self.cancels.append((run_id, attempt, reason))
        self.house.news.set()

    def drain(self, *, reason: str, reconnect: bool, delay_s: float) -> None:
        self.house.news.set()

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def begin(self, offer: Task) -> bool:
        return self.house.gateway.moves.leasing.begin(receipt_of(offer), self.holder)

    async def finish(self, offer: Task, output: Any = None, *, credit: int = 1) -> Ack:
        result = TaskResult(**_named(offer), status="ok", result=msgspec.Raw(msgspec.json.encode(output)))
        return await self._report(result, credit)

    async def fail(self, offer: Task, message: str = "boom", *, credit: int = 1, **options: Any) -> Ack:
        result = TaskResult(**_named(offer), status="error", error={"message": message}, **options)
        return await self._report(result, credit)

    async def _report(self, result: TaskResult, credit: int) -> Ack:
        (ack,) = await self.house.gateway.moves.reports.results([result], self.holder)
        self.holder.credit += credit
        self.house.gateway.moves.dispatcher.wake(self.holder)
        return ack


class House:
    """The gateway under test."""

    def __init__(self, *, archive_url: str = "", **runs: Any) -> None:
        self.clock = ManualClock()
        settings = Settings(
            database=DatabaseSettings(url=Url("memory:")),
            runs=RunSettings(accept_flush_s=0.001, sweep_s=3600.0, reconcile_s=3600.0, **runs),
            archive=ArchiveSettings(url=Url(archive_url)),
        )
        self.gateway: Gateway = build(settings, clock=self.clock)
        self.news = asyncio.Event()

    async def define(self, name: str, *targets: Target, **limits: Any) -> None:
        definition = TaskDefinition(name=name, targets=list(targets), limits=TaskLimits(**limits))
        await self.gateway.declarations.declare(ADMIN, definition)

    async def crew(self, name: str, *tasks: str, credit: int = 1, **options: Any) -> Crew:
        crew = Crew(self, name, tasks=tasks, credit=credit, **options)
        await self.gateway.fleet.join(crew.holder)
        self.gateway.moves.dispatcher.wake(crew.holder)
        return crew

    async def submit(self, task: str, value: Any = None, *, by: Principal = ADMIN, **options: Any) -> Run:
        verdict = await self.verdict(task, value, by=by, **options)
        if isinstance(verdict, TaskgateError):
            raise verdict
        return verdict.run

    async def verdict(
        self, task: str, value: Any = None, *, by: Principal = ADMIN, **options: Any
    ) -> Accepted | TaskgateError:
        submission = Submission(task=task, input=msgspec.json.encode(value), **options)
        return (await self.gateway.intake.submit(by, [submission]))[0]

    async def run(self, run: Run) -> Run:
        return await self.gateway.desk.get(ADMIN, run.id)

    async def until(self, claim: Callable[[], Any], within_s: float = 5.0) -> None:
        """Wait until the claim holds; every piece of news to a worker makes it look again."""
        async with asyncio.timeout(within_s):
            while not claim():
                self.news.clear()
                try:
                    await asyncio.wait_for(self.news.wait(), 0.01)
                except TimeoutError:
                    continue


def receipt_of(offer: Task) -> Receipt:
    return Receipt(run_id=offer.run_id, attempt=offer.attempt, lease_token=offer.lease_token)


def _named(offer: Task) -> dict[str, Any]:
    return {"run_id": offer.run_id, "attempt": offer.attempt, "lease_token": offer.lease_token}
