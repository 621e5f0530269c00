"""Attack rows that go through the HTTP door get a whole gateway in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.edge.http.house import ECHO, FREE, House, open_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as opened:
        await opened.define(ECHO, FREE)
        yield opened
