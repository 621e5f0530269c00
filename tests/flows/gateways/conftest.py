"""Two gateways per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from taskgate.testing.clock import ManualClock
from tests.flows.gateways.pair import Neighbour, shared_stores


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Neighbour, Neighbour]]:
    clock = ManualClock()
    stores = shared_stores(clock)
    one, two = Neighbour(stores, clock), Neighbour(stores, clock)
    await one.gateway.start()
    await two.gateway.start()
    await one.define("work")
    await two.gateway.declarations.start()
    yield one, two
    await two.gateway.stop()
    await one.gateway.stop()
