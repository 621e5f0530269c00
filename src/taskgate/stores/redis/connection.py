"""The connection to Redis that all of this gateway's parts share: asked in pipelines, back by itself after a cut.

Every question is answered, or refused as `Unavailable`, within about `ANSWER_S`: while the connection is cut at once.
A server that is away at the start is one that was cut: the gateway begins without it. Coming back begins with the same
judgement as the start, so a server that evicts is not used, whenever it comes; `standing` tells why.
Whoever keeps something there that a restart of the server loses registers with `on_return`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio.connection import Connection
from redis.exceptions import NoScriptError, RedisError, ResponseError

from taskgate.errors import StoreError, Unavailable
from taskgate.lifespan import TaskSet
from taskgate.stores.guarding import Watched
from taskgate.stores.redis.dialling import Dialler, pauses
from taskgate.stores.redis.failures import away, translated
from taskgate.stores.redis.fitness import Server, judged
from taskgate.stores.redis.pipe import Pipe, Word
from taskgate.stores.redis.scripts import Script

_log = logging.getLogger(__name__)
ANSWER_S = 1.3


class RedisConnection:
    """A part. Making it does no I/O; InvalidInput for a URL that names no server."""

    def __init__(self, url: str, *, answer_s: float = ANSWER_S) -> None:
        self._dialler = Dialler(url, within_s=answer_s)
        self._answer_s = answer_s
        self._pipe: Pipe | None = None
        self._returns: list[Callable[[], None]] = []
        self.server: Server | None = None
        self.standing = Watched("redis")
        self.tasks = TaskSet()

    @property
    def is_up(self) -> bool:
        """Whether the server can be asked now, as far as is known."""
        return self._pipe is not None

    async def start(self) -> None:
        """Connect, or begin to try where nobody answers; StoreError for a server that must not be used."""
        pipe = None
        try:
            pipe = await self._connected()
        except Unavailable as error:
            self.standing.cut()
            _log.warning("%s: %s; this gateway begins without it and goes on trying", self._dialler.place, error.detail)
        self._pipe = pipe
        self.tasks.spawn(self._stand(pipe), name="redis connection")

    async def stop(self) -> None:
        await self.tasks.close()
        self._pipe = None

    def on_return(self, told: Callable[[], None]) -> None:
        """Call this whenever the connection stands again after a cut."""
        self._returns.append(told)

    async def call(self, *words: Word) -> Any:
        """One command. Unavailable or StoreError."""
        try:
            return await self._ask(words)
        except RedisError as error:
            raise translated(error) from error

    async def run(self, script: Script, *arguments: Word, keys: Sequence[Word] = ()) -> Any:
        """A script, which is one atomic step of the server; loaded again where the server has forgotten it."""
        words: tuple[Word, ...] = (script.digest, len(keys), *keys, *arguments)
        try:
            try:
                return await self._ask(("EVALSHA", *words))
            except NoScriptError:
                loading = self._ask(("SCRIPT", "LOAD", script.text))
                answer = self._ask(("EVALSHA", *words))
                await loading
                return await answer
        except RedisError as error:
            raise translated(error) from error

    def tell(self, *words: Word) -> asyncio.Future[Any]:
        """One command whose answer matters to nobody, or later: never raises."""
        answer = self._ask(words)
        answer.add_done_callback(_heard)
        return answer

    async def dial(self) -> Connection:
        """One more connection, for those who wait on it for long."""
        return await self._dialler.dial()

    def _ask(self, words: tuple[Word, ...]) -> asyncio.Future[Any]:
        if self._pipe is None:
            self.standing.refused_count += 1
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            answer.set_exception(away("there is no connection"))
            return answer
        return self._pipe.ask(words)

    async def _connected(self) -> Pipe:
        """A pipe to a server that is fit."""
        pipe = Pipe(await self._dialler.dial(), answer_s=self._answer_s)
        pipe.open()
        try:
            self.server = await _inspected(pipe)
        except BaseException as error:
            await pipe.close()
            if isinstance(error, RedisError):
                raise translated(error) from error
            raise
        return pipe

    async def _stand(self, pipe: Pipe | None) -> None:
        """Keep a pipe standing until the end; None: the first one is still to be made."""
        try:
            while True:
                if pipe is not None:
                    why = await pipe.ended()
                    self._pipe = None
                    self.standing.cut()
                    _log.warning("the connection to %s is lost: %s", self._dialler.place, why.detail)
                self._pipe = pipe = await self._returned()
                self.standing.stands()
                _log.warning("the connection to %s stands again", self._dialler.place)
                for told in self._returns:
                    told()
        finally:
            if pipe is not None:
                await pipe.close()

    async def _returned(self) -> Pipe:
        said = ""
        for pause_s in pauses():
            await asyncio.sleep(pause_s)
            try:
                return await self._connected()
            except Unavailable:
                self.standing.fault = ""
            except StoreError as error:
                self.standing.fault = error.code
                if error.detail != said:
                    said = error.detail
                    _log.error("%s answers and is not used: %s", self._dialler.place, said)
        raise AssertionError("pauses never end")


async def _inspected(pipe: Pipe) -> Server:
    """Ask a server all that has to be known of it."""
    asked: list[tuple[Word, ...]] = [("PING",), ("INFO",), ("CONFIG", "GET", "maxmemory-policy")]
    answers = await asyncio.gather(*map(pipe.ask, asked), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, ResponseError):
            raise answer
    pong, info, policy = answers
    if isinstance(pong, ResponseError):
        raise pong
    told = policy[1] if isinstance(policy, list) and len(policy) > 1 else None
    return judged(info if isinstance(info, bytes) else b"", told)


def _heard(answer: asyncio.Future[Any]) -> None:
    if not answer.cancelled():
        answer.exception()
