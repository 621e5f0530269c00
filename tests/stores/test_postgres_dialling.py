"""F8: a database that is far away, or on a busy machine: connecting takes longer than anybody waits, and still ends."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import pytest

from taskgate.errors import Unavailable
from taskgate.stores.postgres.pool import Pool
from tests.nemesis.wires import Wire

pytestmark = pytest.mark.system

PATIENCE_S = 1.5
DELAY_S = 0.22  # of each piece in each direction: connecting takes five round trips, a statement two
MACHINE_S = 2.0
BACK_S = 20.0


async def test_f8_a_slow_way_to_connect_is_gone_once_not_for_ever(postgres_url: str) -> None:
    address = urlsplit(postgres_url)
    wire = Wire(address.port or 5432)
    await wire.open()
    through = address._replace(netloc=f"{address.username}@127.0.0.1:{wire.port}").geturl()
    pool = Pool(through, patience_s=PATIENCE_S)
    await pool.start()
    try:
        wire.delay_s = DELAY_S
        wire.reset()
        began = time.monotonic()
        refusals = 0
        while True:
            asked_at = time.monotonic()
            try:
                assert [tuple(row) for row in await pool.fetch("SELECT 1")] == [(1,)]
                break
            except Unavailable:
                refusals += 1
            assert time.monotonic() - asked_at < PATIENCE_S + MACHINE_S
            assert time.monotonic() - began < BACK_S, f"refused {refusals} times, and nobody ever connected"
            await asyncio.sleep(0.05)
        assert refusals > 0, "connecting was not slow"
    finally:
        await pool.stop()
        await wire.close()
