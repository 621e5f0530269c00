"""One registry per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.flows.routes.place import Place


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    await made.registry.start()
    yield made
    await made.registry.stop()
