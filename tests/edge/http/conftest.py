"""A house per test: a gateway in memory with two tasks that every site may submit."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.edge.http.house import ECHO, FREE, House, open_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as opened:
        await opened.define(ECHO, FREE)
        yield opened
