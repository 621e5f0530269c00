"""Changes of services while a store hangs: nobody waits for long, nothing that was begun is lost or done twice."""

from __future__ import annotations

import asyncio
import time

import pytest

from taskgate.errors import Unavailable
from taskgate.routes import turns as module
from taskgate.routes.turns import Turns
from tests.flows.routes.place import Place


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.02)


async def test_f12_a_registration_that_a_store_holds_up_counts_once_it_is_saved(place: Place) -> None:
    place.book.hold = asyncio.Event()
    for _ in range(3):
        with pytest.raises(Unavailable) as refused:
            await place.register("a")
        assert (refused.value.code, refused.value.retry_after_s) == ("STORE_SLOW", 1.0)
    assert not place.registry.standing.services
    place.book.hold.set()
    await place.registry.stop()
    assert [service.name for service in place.registry.snapshot.services] == ["a"]
    assert place.book.write_count == 1, "the same again is no change"


async def test_they_are_made_one_at_a_time_and_failures_reach_who_waits() -> None:
    turns, go_on, order = Turns(), asyncio.Event(), list[str]()

    async def first() -> str:
        await go_on.wait()
        order.append("first")
        return "done"

    async def second() -> None:
        order.append("second")
        raise ZeroDivisionError

    with pytest.raises(Unavailable):
        await turns.finish(first())
    with pytest.raises(Unavailable):
        await turns.finish(second())
    assert order == []
    go_on.set()
    await turns.rest()
    assert order == ["first", "second"]
    with pytest.raises(ZeroDivisionError):
        await turns.finish(second())


async def test_no_more_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    turns, go_on = Turns(), asyncio.Event()

    async def change() -> None:
        await go_on.wait()

    for code in ("STORE_SLOW", "STORE_SLOW", "STORE_BEHIND"):
        with pytest.raises(Unavailable) as refused:
            await turns.finish(change())
        assert refused.value.code == code
    go_on.set()
    await turns.rest()
    await turns.finish(change())


async def test_a_process_that_stood_still_is_no_store_that_hangs() -> None:
    turns = Turns()

    async def change() -> str:
        time.sleep(2 * module.WAIT_S)  # noqa: ASYNC251 - the whole process stands still, the store does not
        for _ in range(20):
            await asyncio.sleep(0)
        return "done"

    assert await turns.finish(change()) == "done"
