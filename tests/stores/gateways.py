"""Gateways' parts on one Redis, for contracts that need several gateways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from taskgate.lifespan import Lifespan
from taskgate.stores.redis.store import RedisStore

NAMESPACE = "tg"
PATIENT_S = 15.0  # a test's machine may stand still


@asynccontextmanager
async def joined(url: str, *, answer_s: float = PATIENT_S) -> AsyncIterator[RedisStore]:
    """A gateway on that Redis."""
    store = RedisStore(url, namespace=NAMESPACE, answer_s=answer_s)
    async with Lifespan(*store.parts):
        yield store


@asynccontextmanager
async def joined_twice(url: str) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    """Two gateways on one Redis."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(joined(url)), await stack.enter_async_context(joined(url))
