"""One connection that many callers share: what they ask in one turn of the loop leaves as one pipeline.

Replies come in the order of the questions, and only the reader of this pipe ever takes one from the connection. A
caller that was cancelled keeps its place in that order, so its reply is read and dropped and every other caller gets
its own (INV-A3). A question that is not answered in `answer_s` ends the pipe, because nothing behind it could be
told apart from its late answer; then every caller gets `Unavailable`. A question may have been carried out all the
same.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any

from redis.asyncio.connection import Connection
from redis.exceptions import ResponseError

from taskgate.errors import Unavailable
from taskgate.stores.redis.dialling import hang_up
from taskgate.stores.redis.failures import away, ends_the_connection, translated

LOOK_S = 0.2
Word = bytes | str | int | float
Waiting = tuple[asyncio.Future[Any], float]


class Pipe:
    """Speaks on an open connection from `open` until it breaks or is closed."""

    def __init__(self, connection: Connection, *, answer_s: float) -> None:
        self._connection = connection
        self._answer_s = answer_s
        self._waiting: deque[Waiting] = deque()
        self._outgoing: list[bytes] = []
        self._has_outgoing = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._life: asyncio.Task[Unavailable] | None = None
        self._is_over = False

    def open(self) -> None:
        """Begin to speak."""
        self._life = self._loop.create_task(self._live(), name="redis pipe")

    def ask(self, words: tuple[Word, ...]) -> asyncio.Future[Any]:
        """Put a question into the next pipeline; the answer, an error of the server, or Unavailable."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        if self._is_over:
            answer.set_exception(away("the connection is cut"))
            return answer
        self._outgoing += self._connection.pack_command(*words)
        self._waiting.append((answer, self._loop.time() + self._answer_s))
        self._has_outgoing.set()
        return answer

    async def ended(self) -> Unavailable:
        """Waits until the pipe is broken, and says why."""
        assert self._life is not None
        return await asyncio.shield(self._life)

    async def close(self) -> None:
        """End it; whoever waits gets Unavailable."""
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait({self._life})

    async def _live(self) -> Unavailable:
        parts = [self._loop.create_task(work) for work in (self._write(), self._read(), self._watch())]
        why = away("this gateway stops")
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            error = next(iter(done)).exception()
            found = translated(error) if error is not None else why
            why = found if isinstance(found, Unavailable) else away(str(found))
            return why
        finally:
            self._is_over = True
            self._refuse(why)
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            await hang_up(self._connection)

    async def _write(self) -> None:
        while True:
            await self._has_outgoing.wait()
            self._has_outgoing.clear()
            pieces, self._outgoing = self._outgoing, []
            await self._connection.send_packed_command([b"".join(pieces)], check_health=False)

    async def _read(self) -> None:
        read, waiting = self._connection.read_response, self._waiting
        while True:
            reply: Any
            try:
                reply = await read(timeout=math.inf, disconnect_on_error=False)
            except ResponseError as error:
                reply = error
            answer, _ = waiting.popleft()
            if isinstance(reply, ResponseError):
                if not answer.done():
                    answer.set_exception(reply)
                if ends_the_connection(reply):
                    raise reply
            elif not answer.done():
                answer.set_result(reply)

    async def _watch(self) -> None:
        """Ends the pipe when an answer is overdue at two looks: after the first one, what this process has received
        while it stood still is read."""
        overdue: asyncio.Future[Any] | None = None
        while True:
            await asyncio.sleep(LOOK_S)
            head = self._waiting[0] if self._waiting else None
            if head is None or self._loop.time() < head[1]:
                overdue = None
            elif overdue is head[0]:
                raise away(f"no answer within {self._answer_s:g} s")
            else:
                overdue = head[0]

    def _refuse(self, why: Unavailable) -> None:
        while self._waiting:
            answer, _ = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(away(why.detail.removeprefix("Redis is away: ")))
                answer.exception()  # a caller that went away asks no more: nobody has to be told of that
