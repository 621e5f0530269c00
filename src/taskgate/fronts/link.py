"""A front's side of the channel: it hears what changes, asks what it does not know, tells how its upstreams do.

While the channel is down the front goes on with the routes and keys that it has: known keys are believed as long as
everywhere (`identity/recall.py`), unknown ones are refused. It connects again for as long as it lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from taskgate.errors import RemoteLinkError, Unavailable
from taskgate.fronts import messages as m
from taskgate.fronts.asking import Questions
from taskgate.fronts.channel import Channel
from taskgate.identity.keys import TOPIC as KEYS
from taskgate.lifespan import TaskSet
from taskgate.routes.service import Snapshot
from taskgate.runs.ports import GAP, Signals

_log = logging.getLogger(__name__)
FIRST_STATE_S = 10.0
AGAIN_S = 0.5
TELL_S = 1.0


class Link:
    """A part of a front. `start` returns once the gateway has told the routes; Unavailable when it does not."""

    def __init__(
        self,
        path: Path,
        questions: Questions,
        *,
        signals: Signals,
        on_routes: Callable[[Snapshot], None],
        tell: Callable[[], m.Told],
    ) -> None:
        self.tasks = TaskSet()
        self._path = path
        self._questions = questions
        self._signals = signals
        self._on_routes = on_routes
        self._tell = tell
        self._known = Snapshot()
        self._begun = asyncio.Event()
        self._was_cut = False

    async def start(self) -> None:
        self.tasks.spawn(self._keep(), name="link to the gateway")
        try:
            async with asyncio.timeout(FIRST_STATE_S):
                await self._begun.wait()
        except TimeoutError:
            raise Unavailable("the gateway told its front nothing", code="GATEWAY_AWAY") from None

    async def stop(self) -> None:
        await self.tasks.close()

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                await self._live()
            await asyncio.sleep(AGAIN_S)

    async def _live(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._path))
        channel = Channel[m.ToFront](reader, writer, m.ToFront)
        self._questions.channel = channel
        telling = asyncio.create_task(self._tell_often(channel))
        try:
            async with contextlib.aclosing(channel.received()) as messages:
                async for message in messages:
                    await self._hear(message)
        except RemoteLinkError:
            _log.exception("the gateway said something that its front does not understand")
        finally:
            self._was_cut = True
            telling.cancel()
            self._questions.cut()
            channel.close()

    async def _hear(self, message: m.ToFront) -> None:
        if isinstance(message, m.State | m.RoutesNow):
            self._known = message.snapshot if isinstance(message, m.State) else m.followed(self._known, message)
            self._on_routes(self._known)
            self._begun.set()
            if self._was_cut:  # what happened meanwhile was told to nobody here
                self._was_cut = False
                await self._signals.publish(KEYS, GAP)
        elif isinstance(message, m.News):
            await self._signals.publish(message.topic, message.payload)
        else:
            self._questions.answered(message)

    async def _tell_often(self, channel: Channel[m.ToFront]) -> None:
        while True:
            channel.send(self._tell())
            await channel.drain()
            await asyncio.sleep(TELL_S)
