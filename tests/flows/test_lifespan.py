"""Background tasks end with their owner, whatever they do about being cancelled."""

from __future__ import annotations

import asyncio

import pytest

from taskgate import lifespan
from taskgate.errors import Unavailable
from taskgate.lifespan import Lifespan, TaskSet


async def test_a_swallowed_cancellation_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver may take a cancellation for a cut connection and go on."""
    monkeypatch.setattr(lifespan, "CANCEL_AGAIN_S", 0.01)
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed >= 3:
                    raise
                swallowed += 1

    tasks = TaskSet()
    tasks.spawn(deaf(), name="deaf")
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await tasks.close()
    assert swallowed == 3


async def test_the_first_death_is_the_ailment_and_close_is_quiet() -> None:
    async def dies() -> None:
        raise ZeroDivisionError

    tasks = TaskSet()
    tasks.spawn(dies(), name="first")
    assert await tasks.rest(20)
    assert tasks.ailment is not None
    assert "first" in tasks.ailment.detail
    await tasks.close()
    await tasks.close()


async def test_a_part_that_fails_to_start_is_stopped_like_those_before_it() -> None:
    said: list[str] = []

    class Part:
        def __init__(self, name: str) -> None:
            self._name = name

        async def start(self) -> None:
            said.append(f"+{self._name}")
            if said.count("+2") == 1 and self._name == "2":
                raise Unavailable("away")

        async def stop(self) -> None:
            said.append(f"-{self._name}")

    life = Lifespan(Part("1"), Part("2"), Part("3"))
    with pytest.raises(Unavailable):
        await life.start()
    assert said == ["+1", "+2", "-2", "-1"]
    await life.start()
    assert said[4:] == ["+1", "+2", "+3"]
    await life.stop()
    assert said[7:] == ["-3", "-2", "-1"]
