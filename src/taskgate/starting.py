"""How a gateway comes up while its database is away: it waits, says so, and goes on by itself.

What mends itself is waited for (`Unavailable`: nobody answers, it is starting, it is full, it is a standby), with
pauses that grow, until `database.start_wait_s` is over. What needs an operator ends the start at once, whenever it
shows: a wrong password, no such database, a schema of another version. An embedded store is never waited for: what
keeps it busy is on this machine.

A start that takes longer than `HUSH_S` opens a door of its own on the port, which answers 503; in a shorter one
callers wait in the port's queue and notice nothing. A signal ends the waiting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager

from taskgate.errors import Unavailable

_log = logging.getLogger(__name__)
HUSH_S = 2.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0
Begin = Callable[[], Awaitable[None]]


async def start_patiently(
    begin: Begin,
    *,
    wait_s: float,
    stop: asyncio.Event,
    door: Callable[[], AbstractAsyncContextManager[None]],
    hush_s: float = HUSH_S,
) -> bool:
    """Begin, again and again for `wait_s` while something is away, with `door` open meanwhile. `begin` leaves nothing
    behind when it fails. Returns False when `stop` came first; raises what ended the start."""
    starting = asyncio.ensure_future(_begun(begin, wait_s=wait_s))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, timeout=hush_s, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done() and not stopping.done():
            async with door():
                await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        is_over = starting.done()
        for task in (starting, stopping):
            task.cancel()
        await asyncio.wait({starting, stopping})
    if is_over:
        starting.result()
    return is_over


async def _begun(begin: Begin, *, wait_s: float) -> None:
    began_at = time.monotonic()
    for pause_s in _pauses():
        try:
            await begin()
        except Unavailable as error:
            waited_s = time.monotonic() - began_at
            if waited_s >= wait_s:
                raise
            _log.warning(
                "the gateway cannot start yet: %s; waiting for %.0f s so far, tried again in %.1f s",
                error, waited_s, pause_s,
            )  # fmt: skip
            await asyncio.sleep(min(pause_s, wait_s - waited_s))
        else:
            if pause_s > FIRST_PAUSE_S:
                _log.warning("the gateway starts after waiting for %.0f s", time.monotonic() - began_at)
            return


def _pauses() -> Iterator[float]:
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
