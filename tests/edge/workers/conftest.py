"""Both doors open, for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge.workers.doors import Doors, open_doors


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with open_doors(tmp_path) as opened:
        yield opened


@pytest.fixture(params=["websocket", "grpc"])
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)
