"""A scheduler that speaks through Redis Streams, as its Redis sees it, and a gateway that stands beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace
from redis.asyncio import Redis as Client
from redis.exceptions import ConnectionError as RedisAway

from taskgate.assembly import build
from taskgate.bridges.settings import StreamsSettings
from taskgate.config import Settings
from taskgate.journal.entry import Batch, Draft
from taskgate.secret import Url
from taskgate.stores.settings import DatabaseSettings
from tests.edge.http.house import ECHO, HandSeat, House

PATIENCE_S = 30.0
READY = "antcode:task:ready:w1"
GROUP = "antcode-workers"
TASK = replace(ECHO, name="scheduler.run", input_schema=None)


class Outside:
    """The scheduler: writes entries and orders, reads results and logs."""

    def __init__(self, url: str) -> None:
        self.redis: Any = Client.from_url(url, decode_responses=True, protocol=2)

    async def order(self, run_id: str, *, stream: str = READY, **fields: str) -> None:
        await self.redis.xadd(stream, {"run_id": run_id, "task_id": f"task-{run_id}", "params": '{"n":1}', **fields})

    async def results(self) -> list[dict[str, str]]:
        return [fields for _, fields in await self.redis.xrange("antcode:task:result")]

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not await self._does(holds):
            assert time.monotonic() < deadline, "it did not come to that"
            await asyncio.sleep(0.02)

    async def _does(self, holds: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await holds()
        except RedisAway:  # its Redis is away for a moment
            return False

    async def until_results(self, count: int) -> list[dict[str, str]]:
        async def enough() -> bool:
            return len(await self.results()) >= count

        await self.until(enough)
        return await self.results()

    async def is_drained(self, stream: str = READY) -> bool:
        return not await self.redis.xlen(stream) and not (await self.redis.xpending(stream, GROUP))["pending"]


@asynccontextmanager
async def bridged(url: str, *, database: str = "memory:", **settings: Any) -> AsyncIterator[House]:
    streams = StreamsSettings(url=Url(url), sweep_s=0.1, **settings)
    gateway = build(Settings(database=DatabaseSettings(url=Url(database)), streams=streams))
    await gateway.start()
    try:
        yield House(gateway)
    finally:
        await gateway.stop()


async def work(house: House, seat: HandSeat, *, lines: int = 0) -> None:
    """Do everything that comes."""
    while True:
        task = await seat.offers.get()
        if lines:
            drafts = tuple(Draft(kind="log", at=1.0, text=f"line {n}", source_seq=n) for n in range(1, lines + 1))
            await house.gateway.journal.append([Batch(subject=task.run_id, attempt=1, stream="stdout", drafts=drafts)])
        await house.finish(task, {"said": "done"})


@asynccontextmanager
async def working(house: House, *, lines: int = 0) -> AsyncIterator[None]:
    await house.define(TASK)
    doing = asyncio.create_task(work(house, await house.worker("scheduler.run"), lines=lines))
    yield
    doing.cancel()
