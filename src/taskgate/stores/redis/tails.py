"""The live tails of journals between gateways: committed pages as entries of a stream for each subject.

A page is sent only while somebody at another gateway follows its subject (`follows.py`). It is an index of what the
store has: a page may be lost, and wherever one may have been (a cut, a full server, a backlog, a large page) an empty
page stands for it, which says that the store has to be read again. Streams are trimmed by age and expire with it.
`send` puts into a bounded backlog and returns; reading is `tail_reading.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from taskgate.errors import NotNow, StoreError
from taskgate.ids import new_token
from taskgate.journal.page import Page
from taskgate.lifespan import TaskSet
from taskgate.stores.redis.connection import RedisConnection
from taskgate.stores.redis.follows import Follows
from taskgate.stores.redis.news import News
from taskgate.stores.redis.scripts import script
from taskgate.stores.redis.tail_reading import Deliver, TailReading

_log = logging.getLogger(__name__)
KEEP_S = 10.0
ANNOUNCE_S = 5.0
FOLLOW_S = 3 * ANNOUNCE_S
MAX_PAGE_BYTES = 256 << 10
MAX_BACKLOG_BYTES = 16 << 20
STEP_PAGES = 64
STEP_BYTES = 1 << 20
FOLLOWED, WHO, GAP = b"+", b"?", b"!"
_SEND = script("tail_send")


class RedisTailRelay:
    """TailRelay on Redis. A part."""

    def __init__(self, connection: RedisConnection, news: News, *, namespace: str, keep_s: float = KEEP_S) -> None:
        self._connection = connection
        self._prefix = f"{namespace}:tail:"
        self._channel = f"{namespace}:tail-news"
        self._sender = new_token().encode()
        self._keep_ms = round(keep_s * 1000)
        self._follows = Follows(keep_s=FOLLOW_S)
        self._backlog: deque[tuple[str, bytes]] = deque()
        self._backlog_bytes = 0
        self._has_backlog = asyncio.Event()
        self._has_missed = False
        self.tasks = TaskSet()
        self._reading = TailReading(
            connection, prefix=self._prefix, sender=self._sender, announce=self._announce, tasks=self.tasks
        )
        connection.on_return(self._returned)
        news.hear(self._channel, self._heard, on_gap=self._unheard)

    async def start(self) -> None:
        self._say(WHO)
        self._reading.start()
        self.tasks.spawn(self._send_backlog(), name="journal tails")
        self.tasks.spawn(self._repeat(), name="followed journal tails")

    async def stop(self) -> None:
        await self.tasks.close()

    def send(self, pages: Sequence[tuple[str, Page]]) -> None:
        now = asyncio.get_running_loop().time()
        for subject, page in pages:
            if self._follows.wants(subject, now):
                self._put(subject, page)

    def follow(self, subject: str, deliver: Deliver) -> Callable[[], None]:
        return self._reading.follow(subject, deliver)

    def _put(self, subject: str, page: Page) -> None:
        payload = b"" if not page or page.size_bytes > MAX_PAGE_BYTES else msgspec.msgpack.encode(list(page))
        if self._backlog_bytes + len(payload) > MAX_BACKLOG_BYTES or len(self._backlog) > MAX_BACKLOG_BYTES >> 10:
            self._backlog.clear()
            self._backlog_bytes = 0
            self._confess()
            return
        self._backlog.append((subject, payload))
        self._backlog_bytes += len(payload)
        self._has_backlog.set()

    async def _send_backlog(self) -> None:
        while True:
            await self._has_backlog.wait()
            while step := self._step():
                try:
                    keys = [self._prefix + subject for subject, _ in step]
                    payloads = [payload for _, payload in step]
                    await self._connection.run(_SEND, self._sender, self._keep_ms, *payloads, keys=keys)
                except (NotNow, StoreError) as error:
                    _log.info("pages of journals did not reach other gateways: %s", error)
                    self._confess()
            self._has_backlog.clear()

    def _step(self) -> list[tuple[str, bytes]]:
        step: list[tuple[str, bytes]] = []
        size = 0
        while self._backlog and len(step) < STEP_PAGES and size < STEP_BYTES:
            step.append(self._backlog.popleft())
            size += len(step[-1][1])
        self._backlog_bytes -= size
        return step

    def _confess(self) -> None:
        """Tell everybody who follows anything to read the store; later, where nobody can be told now."""
        self._has_missed = True
        if self._connection.is_up:
            self._say(GAP)

    def _returned(self) -> None:
        self._say(WHO)
        if self._has_missed:
            self._say(GAP)

    def _unheard(self) -> None:
        """News were cut: who follows what may have changed, and others may have confessed a gap."""
        self._say(WHO)
        self._reading.tell_gap()

    def _announce(self, subjects: Iterable[str]) -> None:
        self._say(FOLLOWED, msgspec.json.encode(list(subjects)))

    def _say(self, kind: bytes, body: bytes = b"") -> None:
        def said(answer: asyncio.Future[int]) -> None:
            if kind == GAP and not answer.cancelled() and answer.exception() is None:
                self._has_missed = False

        self._connection.tell("PUBLISH", self._channel, self._sender + kind + body).add_done_callback(said)

    def _heard(self, _: bytes, payload: bytes) -> None:
        start = len(self._sender)
        if payload.startswith(self._sender):
            return
        kind, body = payload[start : start + 1], payload[start + 1 :]
        if kind == FOLLOWED:
            subjects = msgspec.json.decode(body, type=list[str])
            for subject in self._follows.said(subjects, asyncio.get_running_loop().time()):
                self._put(subject, Page())
        elif kind == WHO:
            self._announce(self._reading.subjects())
        elif kind == GAP:
            self._reading.tell_gap()

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(ANNOUNCE_S)
            self._follows.forget(asyncio.get_running_loop().time())
            if subjects := self._reading.subjects():
                self._announce(subjects)
