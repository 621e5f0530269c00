"""Values that can be taken once by whichever gateway is asked first: a key that expires, taken by `GETDEL`.

Both verbs are one step there: of two gateways that are shown the same value at once exactly one has it.
"""

from __future__ import annotations

from taskgate.stores.redis.connection import RedisConnection


class RedisOneUse:
    """OneUse on Redis. Unavailable while Redis is away: a ticket cannot be used then."""

    def __init__(self, connection: RedisConnection, *, namespace: str) -> None:
        self._connection = connection
        self._prefix = f"{namespace}:once:"

    async def put(self, name: bytes, value: bytes, *, keep_s: float) -> bool:
        keep_ms = max(1, round(keep_s * 1000))
        answer = await self._connection.call("SET", self._prefix + name.hex(), value, "NX", "PX", keep_ms)
        return answer is not None

    async def take(self, name: bytes) -> bytes | None:
        value: bytes | None = await self._connection.call("GETDEL", self._prefix + name.hex())
        return value
