"""News within one process: what is published reaches this process's own subscribers.

A subscriber that does not read keeps its messages until it is closed: subscribers are parts of the gateway.
"""

from __future__ import annotations

import asyncio


class MemorySignals:
    """Signals in memory."""

    def __init__(self) -> None:
        self._topics: dict[str, dict[MemorySubscription, None]] = {}

    async def publish(self, topic: str, payload: bytes) -> None:
        for subscription in tuple(self._topics.get(topic, ())):
            subscription.push(payload)

    def subscribe(self, topic: str) -> MemorySubscription:
        subscription = MemorySubscription(self._topics, topic)
        self._topics.setdefault(topic, {})[subscription] = None
        return subscription


class MemorySubscription:
    """Messages of one topic, in order, from the moment of subscribing."""

    def __init__(self, topics: dict[str, dict[MemorySubscription, None]], topic: str) -> None:
        self._topics = topics
        self._topic = topic
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()

    def push(self, payload: bytes) -> None:
        """Put a message behind those not read yet."""
        self._messages.put_nowait(payload)

    async def next(self) -> bytes:
        return await self._messages.get()

    def close(self) -> None:
        """Hear nothing more. Safe to call twice."""
        subscribers = self._topics.get(self._topic, {})
        subscribers.pop(self, None)
        if not subscribers:
            self._topics.pop(self._topic, None)
