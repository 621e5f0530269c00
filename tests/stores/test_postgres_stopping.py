"""A store that stops in the very turn of the loop in which something is asked of it."""

from __future__ import annotations

import asyncio

from taskgate.stores.postgres.batching import Batch, Batcher
from taskgate.stores.postgres.pool import Connection, Pool

PATIENCE_S = 20.0


async def test_what_was_asked_in_the_turn_of_the_stop_is_answered(postgres_url: str) -> None:
    """It was asked before the stop: the loop is not held up, and the answer comes."""

    async def echo(connection: Connection, batch: Batch[int]) -> list[int]:
        return [await connection.fetchval("SELECT $1::int", item) for item in batch.items]

    pool = Pool(postgres_url, size=1, patience_s=PATIENCE_S)
    await pool.start()
    batcher: Batcher[int, int] = Batcher(pool, echo)
    await batcher.start()
    answer = batcher.submit(7)
    async with asyncio.timeout(PATIENCE_S):
        await batcher.stop()
        assert await answer == 7
    await pool.stop()
