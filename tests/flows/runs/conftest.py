"""One gateway per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.flows.runs.house import House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    await made.gateway.start()
    await made.define("work")
    yield made
    await made.gateway.stop()
