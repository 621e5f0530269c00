"""What every gateway says of its workers, on Redis, by the clock of the server; two keys that expire with the last.

What was not said again in time is left out when it is read, so a gateway that died is not counted.
"""

from __future__ import annotations

from taskgate.stores.redis.connection import RedisConnection
from taskgate.stores.redis.scripts import script

_POST, _READ = script("board_post"), script("board_read")


class RedisBoard:
    """Board on Redis."""

    def __init__(self, connection: RedisConnection, *, namespace: str) -> None:
        self._connection = connection
        self._keys = (f"{namespace}:board:texts", f"{namespace}:board:ends")

    async def post(self, gateway_id: str, text: bytes, *, keep_s: float) -> None:
        await self._connection.run(_POST, gateway_id, text, max(1, round(keep_s * 1000)), keys=self._keys)

    async def read(self) -> dict[str, bytes]:
        found = await self._connection.run(_READ, keys=self._keys)
        return {name.decode(): text for name, text in zip(found[::2], found[1::2], strict=True)}

    async def remove(self, gateway_id: str) -> None:
        texts, ends = self._keys
        await self._connection.call("HDEL", texts, gateway_id)
        await self._connection.call("ZREM", ends, gateway_id)
