"""Both clients behind one face: a test is written once and held by each of them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from taskgate.client import AsyncClient, Client, Patience


class Shell:
    """Makes clients of one kind and settles whatever their verbs give: a value, an awaitable, a stream."""

    def __init__(self, kind: type[Client] | type[AsyncClient]) -> None:
        self._kind = kind
        self._runner = asyncio.Runner()
        self._clients: list[Any] = []

    def client(self, url: str, api_key: str = "tg_test", **patience: Any) -> Any:
        wanted = {"total_s": 5.0, "first_pause_s": 0.01, "longest_pause_s": 0.02, **patience}
        made = self._kind(url, api_key, patience=Patience(**wanted))
        self._clients.append(made)
        return made

    def do(self, given: Any) -> Any:
        """The settled result; a stream becomes the list of its items."""
        if inspect.isawaitable(given):
            return self._runner.run(_awaited(given))
        if isinstance(given, AsyncIterator):
            return self._runner.run(_collected(given))
        return list(given) if isinstance(given, Iterator) else given

    def take(self, given: Any, count: int) -> list[Any]:
        """The first items of a stream, which is left there."""
        if isinstance(given, AsyncIterator):
            return self._runner.run(_first(given, count))
        taken = [next(given) for _ in range(count)]
        given.close()
        return taken

    def close(self) -> None:
        for made in self._clients:
            self.do(made.close())
        self._runner.close()


async def _awaited(given: Any) -> Any:
    return await given


async def _collected(given: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in given]


async def _first(given: Any, count: int) -> list[Any]:
    taken = [await anext(given) for _ in range(count)]
    await given.aclose()
    return taken


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
def shell(request: pytest.FixtureRequest) -> Iterator[Shell]:
    made = Shell(request.param)
    yield made
    made.close()
