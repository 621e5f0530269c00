"""News between gateways over Redis: what is published reaches this gateway's subscribers at once, the others' by
Redis, in the order of its publisher.

Every gateway hears every topic from its start, so a subscription begins when it is made. Whatever could not be
published, or was not heard, becomes a `GAP`: for our own subscribers after a cut of our hearing, for those of others
when Redis can be asked again. Who reads too slowly finds a `GAP` in place of all that it has not read.
"""

from __future__ import annotations

import asyncio
from collections import deque

from taskgate.ids import new_token
from taskgate.runs.ports import GAP
from taskgate.stores.redis.connection import RedisConnection
from taskgate.stores.redis.news import News

MAX_UNREAD = 10_000
MAX_UNREAD_BYTES = 16 << 20
MAX_MISSED = 1000
EVERYTHING = "*"  # no topic: what is said of it is said of all


class RedisSignals:
    """Signals over Redis, for as long as `news` hears."""

    def __init__(self, connection: RedisConnection, news: News, *, namespace: str) -> None:
        self._connection = connection
        self._prefix = f"{namespace}:news:"
        self._sender = new_token().encode()
        self._topics: dict[str, dict[RedisSubscription, None]] = {}
        self._missed: set[str] = set()
        connection.on_return(self._confess)
        news.hear(f"{self._prefix}*", self._heard, on_gap=self._all_missed)

    async def publish(self, topic: str, payload: bytes) -> None:
        if not payload or topic == EVERYTHING:
            raise ValueError("an empty payload is what a gap looks like, and `*` is every topic")
        self._push(topic, payload)
        self._send(topic, payload)

    def subscribe(self, topic: str) -> RedisSubscription:
        subscription = RedisSubscription(self._topics, topic)
        self._topics.setdefault(topic, {})[subscription] = None
        return subscription

    def _send(self, topic: str, payload: bytes) -> None:
        def sent(answer: asyncio.Future[int]) -> None:
            if answer.cancelled() or answer.exception() is not None:
                self._missed.add(topic if len(self._missed) < MAX_MISSED else EVERYTHING)

        channel = self._prefix + topic
        self._connection.tell("PUBLISH", channel, self._sender + payload).add_done_callback(sent)

    def _confess(self) -> None:
        """Redis can be asked again: tell the others of which topics they were not told everything."""
        missed, self._missed = self._missed, set()
        for topic in missed:
            self._send(topic, GAP)

    def _heard(self, channel: bytes, payload: bytes) -> None:
        if payload.startswith(self._sender):
            return
        topic, said = channel.decode()[len(self._prefix) :], payload[len(self._sender) :]
        if topic == EVERYTHING:
            self._all_missed()
        else:
            self._push(topic, said)

    def _push(self, topic: str, payload: bytes) -> None:
        for subscription in tuple(self._topics.get(topic, ())):
            subscription.push(payload)

    def _all_missed(self) -> None:
        for topic in tuple(self._topics):
            self._push(topic, GAP)


class RedisSubscription:
    """Messages of one topic, in order, from the moment of subscribing; bounded."""

    def __init__(self, topics: dict[str, dict[RedisSubscription, None]], topic: str) -> None:
        self._topics = topics
        self._topic = topic
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._news = asyncio.Event()

    def push(self, payload: bytes) -> None:
        """Put a message behind those not read yet."""
        if len(self._unread) >= MAX_UNREAD or self._unread_bytes + len(payload) > MAX_UNREAD_BYTES:
            self._unread.clear()
            self._unread_bytes = 0
            self._unread.append(GAP)
        elif payload != GAP or not self._unread or self._unread[-1] != GAP:
            self._unread.append(payload)
            self._unread_bytes += len(payload)
        self._news.set()

    async def next(self) -> bytes:
        await self._news.wait()
        payload = self._unread.popleft()
        self._unread_bytes -= len(payload)
        if not self._unread:
            self._news.clear()
        return payload

    def close(self) -> None:
        """Hear nothing more. Safe to call twice."""
        subscribers = self._topics.get(self._topic, {})
        subscribers.pop(self, None)
        if not subscribers:
            self._topics.pop(self._topic, None)
