"""Every test of the front runs on the loop of production and on the one of the standard library."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from tests.edge.front.door import open_door

LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is run once on each loop; a parameter `door` is an open one with the usual settings."""
    wanted = inspect.signature(test).parameters

    async def play(given: dict[str, Any]) -> None:
        if "door" not in wanted:
            await test(**given)
            return
        async with open_door() as door:
            await test(door=door, **given)

    @functools.wraps(test)
    def run(loop: str, **given: Any) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(play(given))

    kind = inspect.Parameter.KEYWORD_ONLY
    names = ["loop", *(name for name in wanted if name != "door")]
    run.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    del run.__wrapped__
    marked: Callable[..., None] = pytest.mark.parametrize("loop", list(LOOPS))(run)
    return marked
