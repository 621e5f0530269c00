"""F12: whoever reads from a store that hangs is told so in time, and a process that slept blames nobody for it."""

from __future__ import annotations

import asyncio
import time

import pytest

from taskgate.edge.http import patience
from taskgate.edge.http.patience import Patience, in_time
from taskgate.errors import Unavailable


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAIT_S", 0.05)
    monkeypatch.setattr(patience, "GRACE_S", 0.1)


async def test_f12_a_store_that_hangs_is_named() -> None:
    reading = asyncio.ensure_future(asyncio.Event().wait())
    with pytest.raises(Unavailable) as refused:
        await in_time(reading)
    assert (refused.value.code, refused.value.retry_after_s) == ("STORE_SLOW", 1.0)
    assert reading.cancelled()


async def test_f12_an_own_sleep_is_not_held_against_the_store() -> None:
    """The answer lay there while this process stood still; reading it takes some more turns of the loop."""

    async def reading() -> str:
        await asyncio.sleep(0.01)
        for _ in range(20):
            await asyncio.sleep(0)
        return "read"

    asyncio.get_running_loop().call_soon(time.sleep, 0.2)
    assert await in_time(reading()) == "read"


async def test_an_answer_that_has_begun_may_take_its_time() -> None:
    async with Patience() as bound:
        bound.end()
        await asyncio.sleep(0.3)


async def test_what_fails_by_itself_fails_as_it_did() -> None:
    with pytest.raises(TimeoutError, match="its own"):
        async with Patience():
            raise TimeoutError("its own")
    with pytest.raises(KeyError):
        async with Patience():
            raise KeyError
