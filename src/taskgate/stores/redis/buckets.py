"""Token buckets on Redis that all gateways draw from, by the clock of the server (INV-R1).

Many draws are one step of the server. A full bucket is no key; a Redis that lost everything has full buckets.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.limits.ports import Draw, Drawn, granted
from taskgate.stores.redis.connection import RedisConnection
from taskgate.stores.redis.pipe import Word
from taskgate.stores.redis.scripts import script

STEP_LIMIT = 200
_DRAW = script("bucket_draw")


class RedisBuckets:
    """Buckets on Redis."""

    def __init__(self, connection: RedisConnection, *, namespace: str) -> None:
        self._connection = connection
        self._prefix = f"{namespace}:bucket:"

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        verdicts: list[Drawn] = []
        for start in range(0, len(draws), STEP_LIMIT):
            step = draws[start : start + STEP_LIMIT]
            words: list[Word] = []
            for draw in step:
                words += (repr(draw.rate), repr(draw.burst), repr(draw.wanted))
            found = await self._connection.run(_DRAW, *words, keys=[self._prefix + draw.bucket for draw in step])
            verdicts += [granted(draw, float(left)) for draw, left in zip(step, found[1::2], strict=True)]
        return verdicts
