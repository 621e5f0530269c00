"""A front that cannot do its work any more ends, so that its keeper starts another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from taskgate.config import Settings
from taskgate.errors import TaskgateError
from taskgate.fronts.front import FrontProcess
from taskgate.fronts.messages import Begin
from taskgate.lifespan import Lifespan, TaskSet


class Deaf:
    """Hears no more news, as a link whose task has died."""

    def __init__(self) -> None:
        self.tasks = TaskSet()

    async def start(self) -> None:
        self.tasks.spawn(self._die(), name="link to the gateway")

    async def stop(self) -> None:
        await self.tasks.close()

    async def _die(self) -> None:
        raise LookupError("what nobody expected")


async def test_a_front_whose_part_has_died_serves_no_more(tmp_path: Path) -> None:
    begin = Begin(port=0, count=2, own_ports=(), settings={}, identity_root="00" * 32)
    front = FrontProcess(begin, Settings(data_dir=str(tmp_path)))
    front._life = Lifespan(Deaf())
    async with asyncio.timeout(10):
        with pytest.raises(TaskgateError, match="link to the gateway died"):
            await front.run()
