"""The ready queue goes away in the middle of giving out: nothing that was taken is lost, no credit is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from taskgate.assembly import build
from taskgate.errors import Unavailable
from taskgate.runs.ports import QueuedRef
from taskgate.runs.task import QueueKey
from taskgate.stores.memory.ready import MemoryReadyQueue
from taskgate.stores.opening import open_stores
from taskgate.testing.clock import ManualClock
from tests.flows.gateways.pair import SETTINGS
from tests.flows.runs.house import OTHER, House


class Flickering(MemoryReadyQueue):
    """Answers so many takes, refuses one, and then answers again; the same with its depth."""

    takes_left = depths_left = 1_000_000

    async def take(self, queues: Sequence[QueueKey], limit: int, *, site_id: str | None = None) -> list[QueuedRef]:
        self.takes_left -= 1
        if self.takes_left == -1:
            raise Unavailable("Redis is away", code="REDIS_AWAY")
        return await super().take(queues, limit, site_id=site_id)

    async def depth(self) -> dict[QueueKey, int]:
        self.depths_left -= 1
        if self.depths_left == -1:
            raise Unavailable("Redis is away", code="REDIS_AWAY")
        return await super().depth()


class FlickeringHouse(House):
    """A gateway on such a queue, whose janitor does not look at the ledger by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = Flickering()
        stores = replace(open_stores("memory:", clock=ManualClock(), probe=lambda _: None), ready=self.ready)
        self.gateway = build(SETTINGS, clock=self.clock, stores=stores)


@asynccontextmanager
async def opened() -> AsyncIterator[FlickeringHouse]:
    house = FlickeringHouse()
    await house.gateway.start()
    try:
        await house.define("t")
        yield house
    finally:
        await house.gateway.stop()


async def test_what_one_worker_was_given_survives_a_refusal_to_the_next() -> None:
    """INV-T1: of two workers the first got runs, and the queue went away before the second was asked for."""
    async with opened() as house:
        runs = [await house.submit("t", number) for number in range(6)]
        house.ready.takes_left = 1
        crews = [await house.crew(name, "t", credit=3, slots=3) for name in ("w1", "w2")]
        await house.until(lambda: sum(len(crew.offers) for crew in crews) == len(runs))
        assert sorted(offer.run_id for crew in crews for offer in crew.offers) == sorted(run.id for run in runs)


async def test_what_a_worker_of_one_site_was_given_survives_a_queue_that_cannot_be_measured() -> None:
    async with opened() as house:
        run = await house.submit("t", 1, by=OTHER)
        house.ready.depths_left = 0
        crew = await house.crew("w1", "t", credit=3, slots=3, site_id="other")
        await house.until(lambda: [offer.run_id for offer in crew.offers] == [run.id])
        assert crew.holder.free == 2
