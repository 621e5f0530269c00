"""The gateway's side of its fronts: what they need to know, as soon as it is known.

A Unix socket in the data directory, for this user alone. Every front gets the routes when it connects and every
change after that, in order: changes are listened for from the moment on at which the routes are read, so that none
falls between. What a front asks is answered out of turn; a front that goes away is forgotten with all its questions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from taskgate.bus import Bus
from taskgate.errors import RemoteLinkError, TaskgateError, Unavailable
from taskgate.events import KeyRevoked, RoutesChanged
from taskgate.fronts import messages as m
from taskgate.fronts.asking import refusal_of
from taskgate.fronts.channel import Channel
from taskgate.identity.keys import TOPIC
from taskgate.identity.ports import KeyRing
from taskgate.lifespan import TaskSet
from taskgate.proxy.counters import Gathered
from taskgate.routes.health import worst
from taskgate.routes.ports import Health, RunDoor
from taskgate.routes.records import CallRecord
from taskgate.routes.service import Snapshot
from taskgate.runs.ports import Signals, Subscription

_log = logging.getLogger(__name__)
SOCKET = "fronts.sock"
MAX_ASKED = 4096  # each call that waits for its run is one


class RecordSink(Protocol):
    """Who keeps recorded calls. Never blocks: what it cannot take it drops and counts."""

    def take(self, records: Sequence[CallRecord]) -> None: ...


class Feeder:
    """A part of the gateway: serves fronts on `folder`/fronts.sock. `told` has the last words of each front."""

    def __init__(
        self,
        folder: Path,
        *,
        snapshot: Callable[[], Snapshot],
        ring: KeyRing,
        bus: Bus,
        signals: Signals,
        run_door: RunDoor | None,
        records: RecordSink | None,
    ) -> None:
        self.path = folder / SOCKET
        self.told: dict[int, m.Told] = {}
        self.gathered = Gathered()
        self.tasks = TaskSet()
        self._snapshot = snapshot
        self._ring = ring
        self._bus = bus
        self._signals = signals
        self._run_door = run_door
        self._records = records
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Open the socket, readable by this user alone from its first moment on."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._connected, path=self.path)
        finally:
            os.umask(mask)

    async def stop(self) -> None:
        """Close the socket and every channel."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.tasks.close()
        self.path.unlink(missing_ok=True)

    def usage(self) -> dict[str, int]:
        """What the fronts hold at this moment, together."""
        total: Counter[str] = Counter()
        for told in self.told.values():
            total.update(told.usage)
        return dict(total)

    def health(self, service_name: str) -> Health | None:
        """The worst that any front tells of this service, None when none knows it."""
        known = [told.health[service_name] for told in self.told.values() if service_name in told.health]
        return worst(known) if known else None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.spawn(self._serve(Channel(reader, writer, m.ToGateway)), name="front")

    async def _serve(self, channel: Channel[m.ToGateway]) -> None:
        news = self._signals.subscribe(TOPIC)
        told = self._snapshot()

        def tell(event: RoutesChanged) -> None:
            nonlocal told
            channel.send(m.difference(told, event.snapshot))
            told = event.snapshot

        unsubscribe = self._bus.subscribe(RoutesChanged, tell)
        unsubscribe_keys = self._bus.subscribe(
            KeyRevoked, lambda event: channel.send(m.News(TOPIC, b"-" + event.key_id.encode()))
        )
        try:
            channel.send(m.State(m.lean(told)))
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(self._listen(channel, group))
                hearing = group.create_task(_pass_on(news, channel))
                listening.add_done_callback(lambda _: hearing.cancel())
        except* (RemoteLinkError, TaskgateError):
            pass
        finally:
            unsubscribe()
            unsubscribe_keys()
            news.close()
            self.told.pop(id(channel), None)
            channel.close()

    async def _listen(self, channel: Channel[m.ToGateway], group: asyncio.TaskGroup) -> None:
        asked: set[asyncio.Task[None]] = set()
        async with contextlib.aclosing(channel.received()) as messages:
            async for message in messages:
                if isinstance(message, m.Told):
                    self.told[id(channel)] = message
                    self.gathered.add(message.grown)
                elif isinstance(message, m.Records):
                    if self._records is not None:
                        self._records.take(message.records)
                elif len(asked) >= MAX_ASKED:
                    channel.send(refusal_of(message.number, Unavailable("too many questions", code="BUSY")))
                else:
                    task = group.create_task(self._answer(channel, message))
                    asked.add(task)
                    task.add_done_callback(asked.discard)
        for task in asked:
            task.cancel()

    async def _answer(self, channel: Channel[m.ToGateway], question: m.FindKey | m.ListKeys | m.Perform) -> None:
        answer: m.Answer
        try:
            if isinstance(question, m.FindKey):
                answer = m.KeyFound(question.number, await self._ring.find(question.key_id))
            elif isinstance(question, m.ListKeys):
                answer = m.KeyList(question.number, await self._ring.all())
            else:
                answer = await self._perform(question)
        except TaskgateError as error:
            answer = refusal_of(question.number, error)
        except Exception:
            _log.exception("a question of a front failed")
            answer = refusal_of(question.number, TaskgateError("something went wrong in the gateway"))
        channel.send(answer)

    async def _perform(self, question: m.Perform) -> m.Performed:
        if self._run_door is None:
            raise Unavailable("runs are not taken here", code="NO_RUNS")
        done = await self._run_door.perform(
            question.principal,
            question.task,
            body=question.body,
            key=question.key,
            wait_s=question.wait_s,
            traceparent=question.traceparent,
        )
        return m.Performed(question.number, done.status, done.headers, done.body)


async def _pass_on(news: Subscription, channel: Channel[m.ToGateway]) -> None:
    while True:
        channel.send(m.News(TOPIC, await news.next()))
