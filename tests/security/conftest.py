"""Attack rows that go through the HTTP door get a whole gateway in memory; those of the proxy a real one.

`front` stands before `recorder`, an upstream that keeps what it saw, below `/up`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.edge.http.house import ECHO, FREE, House, open_house
from tests.system.proxy.fronts import Front, taskgate_front
from tests.system.proxy.recorder import Recorder, recording


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as opened:
        await opened.define(ECHO, FREE)
        yield opened


@pytest.fixture(scope="session")
def recorder() -> Iterator[Recorder]:
    with recording() as found:
        yield found


@pytest.fixture(scope="session")
def front(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with taskgate_front(tmp_path_factory.mktemp("front"), {"up": recorder.port}) as found:
        yield found
