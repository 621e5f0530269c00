"""Reading the tails that this gateway follows: one blocking read over all of them, on a connection of its own.

Following begins at a moment of the server's clock that is taken before the others are told of it: what they send
afterwards is behind that moment. A stream of our own is read along, so that the read ends when one more subject is to
be followed. Our own pages are skipped.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError

from taskgate.errors import NotNow, StoreError
from taskgate.journal.entry import Entry
from taskgate.journal.page import Page
from taskgate.lifespan import TaskSet
from taskgate.stores.redis.connection import RedisConnection
from taskgate.stores.redis.dialling import hang_up, pauses
from taskgate.stores.redis.failures import translated

_log = logging.getLogger(__name__)
BLOCK_S = 5.0
ANSWER_S = 1.5
READ_COUNT = 64
WAKE_KEEP_MS = 60_000
Deliver = Callable[[Page], None]
_decode = msgspec.msgpack.Decoder(list[Entry]).decode


class TailReading:
    """What is followed here. `announce` tells the others of subjects."""

    def __init__(
        self,
        connection: RedisConnection,
        *,
        prefix: str,
        sender: bytes,
        announce: Callable[[Iterable[str]], None],
        tasks: TaskSet,
    ) -> None:
        self._connection = connection
        self._prefix = prefix.encode()
        self._sender = sender
        self._announce = announce
        self._tasks = tasks
        self._wake_key = prefix.encode()[:-1] + b"-wake:" + sender
        self._wake_place = b"0-0"
        self._following: dict[str, dict[object, Deliver]] = {}
        self._places: dict[str, bytes] = {}
        self._has_new = asyncio.Event()
        self._has_any = asyncio.Event()

    def start(self) -> None:
        """Begin to read."""
        self._tasks.spawn(self._begin_new(), name="new journal tails")
        self._tasks.spawn(self._read(), name="reading journal tails")

    def subjects(self) -> list[str]:
        """Everything that is followed here."""
        return list(self._following)

    def follow(self, subject: str, deliver: Deliver) -> Callable[[], None]:
        """As the relay's."""
        token = object()
        if subject not in self._following:
            self._following[subject] = {}
            self._has_new.set()
        self._following[subject][token] = deliver

        def close() -> None:
            following = self._following.get(subject, {})
            if following.pop(token, None) is not None and not following:
                del self._following[subject]
                self._places.pop(subject, None)

        return close

    def tell_gap(self) -> None:
        """Have everything read from the store again."""
        for subject in self.subjects():
            self._deliver(subject, Page())

    def _deliver(self, subject: str, page: Page) -> None:
        for deliver in tuple(self._following.get(subject, {}).values()):
            deliver(page)

    async def _begin_new(self) -> None:
        """Note the moment, tell the others, and have the read begin anew."""
        while True:
            await self._has_new.wait()
            for pause_s in pauses():
                self._has_new.clear()
                fresh = [subject for subject in self._following if subject not in self._places]
                try:
                    await self._begin(fresh)
                    break
                except (NotNow, StoreError):
                    await asyncio.sleep(pause_s)

    async def _begin(self, fresh: list[str]) -> None:
        asked = asyncio.ensure_future(self._connection.call("TIME"))
        await asyncio.sleep(0)  # asked before anybody is told
        self._announce(fresh)
        seconds, micros = await asked
        place = b"%d-0" % (int(seconds) * 1000 + int(micros) // 1000 - 1)
        self._places.update((subject, place) for subject in fresh if subject in self._following)
        self._has_any.set()
        self._connection.tell("XADD", self._wake_key, "MAXLEN", "1", "*", "w", "")
        self._connection.tell("PEXPIRE", self._wake_key, WAKE_KEEP_MS)

    async def _read(self) -> None:
        for pause_s in pauses():
            try:
                connection = await self._connection.dial()
                try:
                    self.tell_gap()
                    while True:
                        await self._round(connection)
                finally:
                    await hang_up(connection)
            except (RedisError, OSError, TimeoutError, NotNow, StoreError) as error:
                _log.warning("tails of journals are cut: %s", translated(error))
            await asyncio.sleep(pause_s)

    async def _round(self, connection: Connection) -> None:
        """One read over everything that is followed."""
        while not self._places:
            self._has_any.clear()
            await self._has_any.wait()
        subjects = list(self._places)
        keys = [self._wake_key, *(self._prefix + subject.encode() for subject in subjects)]
        places = [self._wake_place, *self._places.values()]
        block_ms = int(BLOCK_S * 1000)
        await connection.send_command(
            "XREAD", "COUNT", READ_COUNT, "BLOCK", block_ms, "STREAMS", *keys, *places, check_health=False
        )
        async with asyncio.timeout(BLOCK_S + ANSWER_S):
            found: Any = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
        for key, entries in found or ():
            if key == self._wake_key:
                self._wake_place = entries[-1][0]
                continue
            subject = key[len(self._prefix) :].decode()
            if subject in self._places:
                self._places[subject] = entries[-1][0]
                self._deliver_all(subject, entries)

    def _deliver_all(self, subject: str, entries: list[Any]) -> None:
        for _, fields in entries:
            told = dict(zip(fields[::2], fields[1::2], strict=True))
            if told.get(b"s") != self._sender:
                self._deliver(subject, _page(told.get(b"p", b"")))


def _page(payload: bytes) -> Page:
    """What another gateway sent; an empty page for anything that is not understood."""
    try:
        return Page(_decode(payload)) if payload else Page()
    except msgspec.MsgspecError:
        return Page()
