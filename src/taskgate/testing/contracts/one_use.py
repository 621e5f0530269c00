"""The contract of `OneUse`: a value is taken once, whoever asks first.

class TestMyOneUse(OneUseContract):
    @pytest.fixture
    async def stores(self): ...
"""

from __future__ import annotations

import asyncio
import random
import time

from taskgate.identity.ports import OneUse

LONG_S = 600.0
SHORT_S = 0.05
PATIENCE_S = 20.0


class OneUseContract:
    """Fixture: `stores`, two adapters on one store, as two gateways have them."""

    async def test_what_was_put_is_taken_once_at_any_gateway(self, stores: tuple[OneUse, OneUse]) -> None:
        one, other = stores
        assert await one.put(b"\x00name\xff", b"\x00value\r\n", keep_s=LONG_S)
        assert await other.take(b"\x00name\xff") == b"\x00value\r\n"
        assert await one.take(b"\x00name\xff") is None
        assert await other.take(b"never") is None

    async def test_a_name_is_put_once(self, stores: tuple[OneUse, OneUse]) -> None:
        one, other = stores
        assert await one.put(b"name", b"first", keep_s=LONG_S)
        assert not await other.put(b"name", b"second", keep_s=LONG_S)
        assert await other.take(b"name") == b"first"
        assert await other.put(b"name", b"third", keep_s=LONG_S)
        assert await one.take(b"name") == b"third"

    async def test_one_of_many_who_race_gets_it(self, stores: tuple[OneUse, OneUse]) -> None:
        for number in range(20):
            name = random.randbytes(8)
            await stores[number % 2].put(name, b"value", keep_s=LONG_S)
            taken = await asyncio.gather(*(stores[turn % 2].take(name) for turn in range(6)))
            assert sorted(taken, key=bool) == [None] * 5 + [b"value"]

    async def test_what_is_too_old_is_gone(self, stores: tuple[OneUse, OneUse]) -> None:
        one, other = stores
        assert await one.put(b"name", b"old", keep_s=SHORT_S)
        deadline = time.monotonic() + PATIENCE_S
        while not await other.put(b"name", b"new", keep_s=LONG_S):
            assert time.monotonic() < deadline
            await asyncio.sleep(SHORT_S / 5)
        assert await one.take(b"name") == b"new"
