"""The scheduler of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.flows.bridges.outside import Outside


@pytest.fixture
async def outside(redis_url: str) -> AsyncIterator[Outside]:
    made = Outside(redis_url)
    yield made
    await made.redis.aclose()
