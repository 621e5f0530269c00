"""Background tasks end with their owner, whatever they do about being cancelled."""

from __future__ import annotations

import asyncio

import pytest

from taskgate import lifespan
from taskgate.lifespan import TaskSet


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
