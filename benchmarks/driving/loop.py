"""The caller's side of every measurement, run in the environment of the system that is measured.

Needs nothing but Python. A driver is told on stdin what to do, one JSON object a line, and answers on stdout:
`once` makes round trips one at a time, `bulk` submits everything and then collects every result. Each result
is compared with what was sent: a system that loses or spoils one is not measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from answering import answer, commands

PAYLOAD = {"id": "task-0001", "prompt": "x" * 70}  # 100 bytes as JSON
PAUSE_S = 0.003  # between round trips, so that each finds the system idle
SUBMITTERS = 50
COLLECTORS = 20
now = time.perf_counter


def verify(outputs: Iterable[Any], count: int) -> None:
    """Every result is there and is what was sent."""
    good = sum(1 for output in outputs if output == PAYLOAD)
    if good != count:
        raise SystemExit(f"{count - good} of {count} results are missing or wrong")


def drive(
    submit: Callable[[], Any],
    wait: Callable[[Any], Any],
    *,
    once: Callable[[], Any] | None = None,
    bulk: Callable[[int], tuple[float, list[Any]]] | None = None,
) -> None:
    """Serve commands with a synchronous client. `bulk` returns the seconds of submitting and all outputs."""

    def one_by_one(count: int) -> tuple[float, list[Any]]:
        begun = now()
        handles = [submit() for _ in range(count)]
        return now() - begun, [wait(handle) for handle in handles]

    call = once or (lambda: wait(submit()))
    for told in commands():
        if told["do"] == "bulk":
            begun = now()
            submit_s, outputs = (bulk or one_by_one)(told["count"])
            total_s = now() - begun
            verify(outputs, told["count"])
            answer(submit_s=submit_s, total_s=total_s)
        else:
            trips = []
            for _ in range(told["count"]):
                begun = now()
                output = call()
                trips.append(now() - begun)
                verify([output], 1)
                time.sleep(PAUSE_S)
            answer(trips_s=trips)


async def drive_async(
    submit: Callable[[], Awaitable[Any]],
    wait: Callable[[Any], Awaitable[Any]],
    *,
    collect: Callable[[Any], Awaitable[Any]] | None = None,
    bulk: Callable[[int], Awaitable[tuple[float, list[Any]]]] | None = None,
) -> None:
    """Serve commands with an asynchronous client; `collect` is `wait` with a coarser poll, for many at once."""

    async def many(count: int) -> tuple[float, list[Any]]:
        begun = now()
        shares = [range(start, count, SUBMITTERS) for start in range(min(SUBMITTERS, count))]
        handles = [handle for share in await asyncio.gather(*map(submit_share, shares)) for handle in share]
        submit_s = now() - begun
        return submit_s, await collect_all(handles)

    async def submit_share(share: range) -> list[Any]:
        return [await submit() for _ in share]

    async def collect_all(handles: list[Any]) -> list[Any]:
        waiting = iter(handles)

        async def collector() -> list[Any]:
            return [await (collect or wait)(handle) for handle in waiting]

        return [output for found in await asyncio.gather(*[collector() for _ in range(COLLECTORS)]) for output in found]

    waiting = commands()
    while (told := await asyncio.to_thread(next, waiting, None)) is not None:
        if told["do"] == "bulk":
            begun = now()
            submit_s, outputs = await (bulk or many)(told["count"])
            total_s = now() - begun
            verify(outputs, told["count"])
            answer(submit_s=submit_s, total_s=total_s)
        else:
            trips = []
            for _ in range(told["count"]):
                begun = now()
                output = await wait(await submit())
                trips.append(now() - begun)
                verify([output], 1)
                await asyncio.sleep(PAUSE_S)
            answer(trips_s=trips)
