"""What Redis publishes, heard on one connection of its own and handed to whoever asked for a channel.

All channels are subscribed to at the start, so nobody's hearing begins late. After every cut, once the subscriptions
stand again, everybody is told that news may have been missed. A connection that says nothing for `QUIET_S` is asked
whether it lives.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.asyncio.connection import Connection
from redis.exceptions import RedisError

from taskgate.errors import StoreError, Unavailable
from taskgate.lifespan import TaskSet
from taskgate.stores.redis.connection import RedisConnection
from taskgate.stores.redis.dialling import hang_up, pauses
from taskgate.stores.redis.failures import away, translated

_log = logging.getLogger(__name__)
QUIET_S = 5.0
ANSWER_S = 1.5
Deliver = Callable[[bytes, bytes], None]


class News:
    """A part. Who wants to hear says so before it is started."""

    def __init__(self, connection: RedisConnection, *, quiet_s: float = QUIET_S, answer_s: float = ANSWER_S) -> None:
        self._connection = connection
        self._quiet_s = quiet_s
        self._answer_s = answer_s
        self._hearers: dict[bytes, tuple[Deliver, Callable[[], None]]] = {}
        self.tasks = TaskSet()

    def hear(self, pattern: str, deliver: Deliver, *, on_gap: Callable[[], None]) -> None:
        """Have what is published on channels of this pattern delivered as (channel, payload)."""
        self._hearers[pattern.encode()] = (deliver, on_gap)

    async def start(self) -> None:
        connection = None
        with suppress(Unavailable):  # as after a cut
            connection = await self._subscribed()
        self.tasks.spawn(self._listen(connection), name="redis news")

    async def stop(self) -> None:
        await self.tasks.close()

    async def _subscribed(self) -> Connection:
        """A connection on which every subscription stands."""
        connection = await self._connection.dial()
        try:
            async with asyncio.timeout(self._answer_s):
                await connection.send_command("PSUBSCRIBE", *self._hearers, check_health=False)
                for _ in self._hearers:
                    await connection.read_response(timeout=math.inf)
        except BaseException as error:
            await hang_up(connection)
            if isinstance(error, RedisError | OSError | TimeoutError):
                raise translated(error) from error
            raise
        return connection

    async def _listen(self, connection: Connection | None) -> None:
        try:
            while True:
                if connection is not None:
                    try:
                        await self._hear(connection)
                    except (RedisError, OSError, Unavailable) as error:
                        _log.warning("news from other gateways are cut: %s", translated(error))
                    await hang_up(connection)
                connection = await self._returned()
                for _, on_gap in self._hearers.values():
                    on_gap()
        finally:
            if connection is not None:
                await hang_up(connection)

    async def _hear(self, connection: Connection) -> None:
        is_asked = False
        while True:
            try:
                async with asyncio.timeout(self._answer_s if is_asked else self._quiet_s):
                    message: Any = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            except TimeoutError:
                if is_asked:
                    raise away("it does not answer") from None
                await connection.send_command("PING", check_health=False)
                is_asked = True
                continue
            is_asked = False
            if message[0] == b"pmessage":
                _, pattern, channel, payload = message
                self._deliver(pattern, channel, payload)

    def _deliver(self, pattern: bytes, channel: bytes, payload: bytes) -> None:
        try:
            self._hearers[pattern][0](channel, payload)
        except (ValueError, LookupError, TypeError) as error:  # what others write must not end our hearing
            _log.warning("news on %r are not understood: %s", channel[:100], error)

    async def _returned(self) -> Connection:
        for pause_s in pauses():
            await asyncio.sleep(pause_s)
            try:
                return await self._subscribed()
            except (Unavailable, StoreError):
                continue
        raise AssertionError("pauses never end")
