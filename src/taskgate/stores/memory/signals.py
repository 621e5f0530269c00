"""News within one process: what is published reaches this process's own subscribers."""

from __future__ import annotations

import asyncio


class MemorySignals:
    """Signals in memory."""

    def __init__(self) -> None:
        self._topics: dict[str, set[MemorySubscription]] = {}

    async def publish(self, topic: str, payload: bytes) -> None:
        for subscription in tuple(self._topics.get(topic, ())):
            subscription.push(payload)

    def subscribe(self, topic: str) -> MemorySubscription:
        subscribers = self._topics.setdefault(topic, set())
        subscription = MemorySubscription(subscribers)
        subscribers.add(subscription)
        return subscription


class MemorySubscription:
    """Messages of one topic, in order, from the moment of subscribing."""

    def __init__(self, subscribers: set[MemorySubscription]) -> None:
        self._subscribers = subscribers
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()

    def push(self, payload: bytes) -> None:
        """Put a message behind those not read yet."""
        self._messages.put_nowait(payload)

    async def next(self) -> bytes:
        return await self._messages.get()

    def close(self) -> None:
        self._subscribers.discard(self)
