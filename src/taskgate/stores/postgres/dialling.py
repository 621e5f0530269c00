"""New connections to PostgreSQL: one that was begun is finished, even when whoever wanted it has given up.

To connect takes several round trips and a new process on the server, so where a network is far away or a machine is
busy it may take longer than any one caller waits. If each caller's end were the end of its attempt as well, no attempt
would ever come to its end, and the gateway would hammer a server that is well. So an attempt has a time of its own,
and whoever connects next goes on with what was left behind. There are never more of them than the pool has places.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import asyncpg

from taskgate.errors import StoreError

CONNECT_S = 5.0


class Dialler:
    """Makes the connections of one pool."""

    def __init__(self) -> None:
        self._left: deque[asyncio.Task[Any]] = deque()

    async def connect(self, *arguments: Any, **options: Any) -> Any:
        """A new connection that is known to be durable, begun now or by somebody who did not wait for it."""
        task = self._resumed() or asyncio.create_task(_dial(*arguments, **options))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                task.add_done_callback(_forget)
                self._left.append(task)
            raise

    def close(self) -> None:
        """Give up what is under way, and cut what nobody took."""
        while self._left:
            task = self._left.popleft()
            task.cancel()
            if (connection := _made(task)) is not None:
                connection.terminate()

    def _resumed(self) -> asyncio.Task[Any] | None:
        """What was left behind and is still good."""
        while self._left:
            task = self._left.popleft()
            if not task.done() or _made(task) is not None:
                return task
        return None


async def _dial(*arguments: Any, **options: Any) -> Any:
    connection = await asyncpg.connect(*arguments, **options)
    try:
        level = await connection.fetchval("SHOW synchronous_commit")
        if level != "on":
            raise StoreError(f"synchronous_commit is {level}: an answer would be a guess", code="STORE_NOT_DURABLE")
    except BaseException:
        connection.terminate()
        raise
    return connection


def _made(task: asyncio.Task[Any]) -> Any:
    """The open connection of an attempt that is over; None when there is none."""
    if not task.done() or task.cancelled() or task.exception() is not None or task.result().is_closed():
        return None
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
