"""Everything that several gateways share on one Redis: one connection for questions, two for listening.

Making it connects to nothing. Nothing that is kept there is needed to find a run again: it may be lost at any time.
"""

from __future__ import annotations

from taskgate.lifespan import Part
from taskgate.stores.redis.board import RedisBoard
from taskgate.stores.redis.buckets import RedisBuckets
from taskgate.stores.redis.connection import ANSWER_S, RedisConnection
from taskgate.stores.redis.news import News
from taskgate.stores.redis.one_use import RedisOneUse
from taskgate.stores.redis.ready import RedisReadyQueue
from taskgate.stores.redis.signals import RedisSignals
from taskgate.stores.redis.tails import RedisTailRelay


class RedisStore:
    """The adapters of one gateway. Making it does no I/O; `parts` are started in their order."""

    def __init__(self, url: str, *, namespace: str, answer_s: float = ANSWER_S) -> None:
        self.connection = RedisConnection(url, answer_s=answer_s)
        self.news = News(self.connection)
        self.ready = RedisReadyQueue(self.connection, self.news, namespace=namespace)
        self.signals = RedisSignals(self.connection, self.news, namespace=namespace)
        self.tails = RedisTailRelay(self.connection, self.news, namespace=namespace)
        self.buckets = RedisBuckets(self.connection, namespace=namespace)
        self.one_use = RedisOneUse(self.connection, namespace=namespace)
        self.board = RedisBoard(self.connection, namespace=namespace)
        self.parts: tuple[Part, ...] = (self.connection, self.news, self.ready, self.tails)
