"""Requests that stay open: each learns when it has to end before its time.

Four things end one: the caller hangs up, its key is revoked (INV-A5), the gateway closes; and, of one that may last as
long as its reader likes, the end of its credential by itself, which makes no news. Whoever waits does so beside the
future that `watch` gives, and gives back everything when it resolves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum
from typing import Any, TypeVar

from taskgate.bus import Bus
from taskgate.edge.http.call import Call, CallerGone
from taskgate.errors import TaskgateError, Unauthenticated
from taskgate.events import KeyRevoked
from taskgate.identity.lineage import PREFIX, comes_of, is_lineage
from taskgate.identity.principal import Principal
from taskgate.identity.standing import Standing

LOOK_S = 15.0
T = TypeVar("T")


class End(Enum):
    """Why an open request ends."""

    GONE = "gone"
    REVOKED = "revoked"
    CLOSING = "closing"


class Live:
    """The open requests of the door, by the key, subject or token that opened them; `standing` knows of ends without
    news."""

    def __init__(self, bus: Bus, standing: Standing | None = None) -> None:
        self._standing = standing
        self._open: dict[str, set[asyncio.Future[End]]] = {}
        self._unsubscribe = bus.subscribe(KeyRevoked, lambda event: self._end(event.key_id, End.REVOKED))
        self._is_closing = False

    def close(self) -> None:
        """End every open request and every later one at once."""
        self._is_closing = True
        self._unsubscribe()
        for key_id in tuple(self._open):
            self._end(key_id, End.CLOSING)

    @asynccontextmanager
    async def watch(self, call: Call, *, is_long: bool = False) -> AsyncIterator[asyncio.Future[End]]:
        """A future that tells when this request has to end; its body must have been read. `is_long`: nothing else
        bounds how long it takes."""
        with self._of(call.principal) as end:
            watching = [asyncio.create_task(_until_gone(call, end))]
            if is_long and self._standing is not None and call.principal is not None and call.principal.id:
                watching.append(asyncio.create_task(_until_over(self._standing, call.principal, end)))
            try:
                yield end
            finally:
                for task in watching:
                    task.cancel()

    @contextmanager
    def _of(self, principal: Principal | None) -> Iterator[asyncio.Future[End]]:
        end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        names = {principal.id, principal.token_id, *principal.lineage} - {""} if principal else set[str]()
        names = names or {""}
        for name in names:
            self._open.setdefault(name, set()).add(end)
        if self._is_closing:
            end.set_result(End.CLOSING)
        try:
            yield end
        finally:
            for name in names:
                ends = self._open[name]
                ends.discard(end)
                if not ends:
                    del self._open[name]

    async def during(self, call: Call, work: Coroutine[Any, Any, T]) -> T | None:
        """The work's result, None when the gateway closes first. Raises CallerGone or Unauthenticated when the
        caller hangs up or loses its key; the work is cancelled then and has ended when this returns.

        The work begins on the caller's own stack: what it registers for cannot happen before it has registered.
        """
        async with self.watch(call) as end:
            return await _beside(end, work)

    async def during_key(self, principal: Principal, work: Coroutine[Any, Any, T]) -> T | None:
        """Like `during`, for a caller whose connection is somebody else's: that one cancels."""
        with self._of(principal) as end:
            return await _beside(end, work)

    def _end(self, key_id: str, why: End) -> None:
        named = {key_id}
        if key_id.startswith(PREFIX):
            named |= {word for word in self._open if is_lineage((word,)) and comes_of((word,), key_id)}
        for end in {end for name in named for end in self._open.get(name, ())}:
            if not end.done():
                end.set_result(why)


async def _beside(end: asyncio.Future[End], work: Coroutine[Any, Any, T]) -> T | None:
    """The work's result, unless the request has to end before."""
    waiting = asyncio.current_task()
    left = False

    def interrupt(_: object) -> None:
        if waiting is not None and not left:
            waiting.cancel()

    end.add_done_callback(interrupt)
    try:
        return await work
    except asyncio.CancelledError:
        if not end.done() or waiting is None or waiting.uncancel() > 0:
            raise
    finally:
        left = True
    if end.result() is End.GONE:
        raise CallerGone
    if end.result() is End.REVOKED:
        raise Unauthenticated("this key has expired or was revoked", code="KEY_REVOKED")
    return None


async def _until_gone(call: Call, end: asyncio.Future[End]) -> None:
    await call.gone()
    if not end.done():
        end.set_result(End.GONE)


async def _until_over(standing: Standing, principal: Principal, end: asyncio.Future[End]) -> None:
    while not end.done():
        await asyncio.sleep(LOOK_S)
        try:
            holds = await standing.holds(principal)
        except TaskgateError:  # nobody can tell
            holds = False
        if not holds and not end.done():
            end.set_result(End.REVOKED)
