"""Honest callers who go on calling while something happens: each call is noted with its moment, status and time.

Their own record is the oracle of the fault tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.system.proxy.fronts import Front


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One call. `status` 0 is a connection that failed; `text` the body."""

    status: int
    seconds: float
    text: str = ""
    retry_after: str = ""


@dataclass(slots=True)
class Caller:
    """Calls one path at a steady rate until told to stop."""

    front: Front
    path: str
    rate: float
    headers: Mapping[str, str] = field(default_factory=dict)
    calls: list[Called] = field(default_factory=list)

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Call for ever, each call in its own time slot."""
        begun, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self.call(session))
                number += 1
                await asyncio.sleep(max(0.0, begun + number / self.rate - time.monotonic()))

    async def call(self, session: aiohttp.ClientSession) -> Called:
        begun = time.monotonic()
        try:
            async with session.get(self.front.url + self.path, headers=self.headers or self.front.headers) as answer:
                text, after = await answer.text(), answer.headers.get("Retry-After", "")
                made = Called(status=answer.status, seconds=time.monotonic() - begun, text=text, retry_after=after)
        except aiohttp.ClientError as error:
            made = Called(status=0, seconds=time.monotonic() - begun, text=repr(error))
        self.calls.append(made)
        return made

    @property
    def statuses(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for call in self.calls:
            found[call.status] = found.get(call.status, 0) + 1
        return found


@contextlib.asynccontextmanager
async def calling(*callers: Caller) -> AsyncIterator[aiohttp.ClientSession]:
    """They call while the block runs; calls in flight at its end are finished."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        tasks = [asyncio.create_task(caller.run(session)) for caller in callers]
        try:
            yield session
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(is_so: Callable[[], bool], within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


def p99(calls: Sequence[Called]) -> float:
    """Seconds that 99 of 100 calls stayed below."""
    ordered = sorted(call.seconds for call in calls)
    return ordered[max(0, math.ceil(len(ordered) * 0.99) - 1)]
