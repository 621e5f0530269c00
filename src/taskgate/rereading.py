"""Something that other gateways change too, kept true here by reading it again.

News carry no values, only that something has changed: what is true is read from where it is kept, so a piece of news
that comes late, twice or out of order does no harm. It is read again when news come, when news may have been missed
(an empty message), when somebody here asks, and every `every_s` in any case. Whatever is heard while a reading goes on
causes one more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from taskgate.errors import TaskgateError
from taskgate.lifespan import TaskSet

_log = logging.getLogger(__name__)


class News(Protocol):
    """Messages of one topic, in order; an empty one says that some may be missing."""

    async def next(self) -> bytes: ...

    def close(self) -> None: ...


class Announcer(Protocol):
    """News between gateways."""

    async def publish(self, topic: str, payload: bytes) -> None: ...

    def subscribe(self, topic: str) -> News: ...


class Rereader:
    """A part: calls `read` as said above. Its own news, those that begin with `name`, it does not hear."""

    def __init__(
        self,
        read: Callable[[], Awaitable[None]],
        *,
        signals: Announcer,
        topic: str,
        name: str,
        every_s: float,
        pause_s: float = 0.05,
    ) -> None:
        self._read = read
        self._signals = signals
        self._topic = topic
        self._name = name.encode("ascii")
        self._every_s = every_s
        self._pause_s = pause_s
        self._asked = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self.tasks = TaskSet()

    async def start(self) -> None:
        self.tasks.spawn(self._listen(self._signals.subscribe(self._topic)), name=f"news of {self._topic}")
        self.tasks.spawn(self._work(), name=f"reading {self._topic} again")

    async def stop(self) -> None:
        await self.tasks.close()
        for waiting in self._waiting:
            waiting.cancel()

    async def changed(self) -> None:
        """Tell the others that it was changed here. Never raises."""
        await self._signals.publish(self._topic, self._name)

    async def now(self) -> None:
        """Return after a reading that began after this call; one that failed counts."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._asked.set()
        await waiting

    async def _listen(self, news: News) -> None:
        try:
            while True:
                if await news.next() != self._name:
                    self._asked.set()
        finally:
            news.close()

    async def _work(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._asked.wait()
            self._asked.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._read()
            except TaskgateError as error:
                _log.warning("%s cannot be read again: %s", self._topic, error)
                self._asked.set()
                await asyncio.sleep(self._pause_s * 10)
            finally:
                for one in waiting:
                    if not one.done():
                        one.set_result(None)
            await asyncio.sleep(self._pause_s)
