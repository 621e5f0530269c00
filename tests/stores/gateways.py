"""Two gateways' connections to one Redis, for contracts that need several gateways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from taskgate.lifespan import Lifespan
from taskgate.stores.redis.connection import RedisConnection
from taskgate.stores.redis.news import News
from taskgate.stores.redis.ready import RedisReadyQueue
from taskgate.stores.redis.signals import RedisSignals

NAMESPACE = "tg"
PATIENT_S = 15.0  # a test's machine may stand still


@dataclass(slots=True)
class Joined:
    """What one gateway has on a Redis."""

    url: str
    answer_s: float = PATIENT_S
    connection: RedisConnection = field(init=False)
    news: News = field(init=False)
    ready: RedisReadyQueue = field(init=False)
    signals: RedisSignals = field(init=False)

    def __post_init__(self) -> None:
        self.connection = RedisConnection(self.url, answer_s=self.answer_s)
        self.news = News(self.connection)
        self.ready = RedisReadyQueue(self.connection, self.news, namespace=NAMESPACE)
        self.signals = RedisSignals(self.connection, self.news, namespace=NAMESPACE)


@asynccontextmanager
async def joined(url: str, *, answer_s: float = PATIENT_S) -> AsyncIterator[Joined]:
    """A gateway on that Redis."""
    one = Joined(url, answer_s)
    async with Lifespan(one.connection, one.news, one.ready):
        yield one


@asynccontextmanager
async def joined_twice(url: str) -> AsyncIterator[tuple[Joined, Joined]]:
    """Two gateways on one Redis."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(joined(url)), await stack.enter_async_context(joined(url))
