"""What a start waits for, what ends it, and that a gateway whose start failed late can be started again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from taskgate.assembly import build
from taskgate.config import load
from taskgate.errors import StoreError, TaskgateError, Unavailable
from taskgate.starting import start_patiently


class Start:
    """Fails as it is told, one failure after the other, then succeeds; notes when its door opens and closes."""

    def __init__(self, *failures: TaskgateError) -> None:
        self._failures = list(failures)
        self.said: list[str] = []
        self.stop = asyncio.Event()

    async def begin(self) -> None:
        self.said.append("begin")
        if self._failures:
            raise self._failures.pop(0)

    @asynccontextmanager
    async def door(self) -> AsyncIterator[None]:
        self.said.append("open")
        try:
            yield
        finally:
            self.said.append("close")

    async def run(self, *, wait_s: float = 60.0) -> bool:
        async with asyncio.timeout(30):
            return await start_patiently(self.begin, wait_s=wait_s, stop=self.stop, door=self.door, hush_s=0.0)


async def test_what_is_away_is_waited_for_behind_an_open_door() -> None:
    start = Start(Unavailable("away"), Unavailable("away"))
    assert await start.run()
    assert start.said == ["begin", "open", "begin", "begin", "close"] or start.said == [
        "open", "begin", "begin", "begin", "close",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("failures", "wait_s"),
    [
        ((StoreError("broken"),), 60.0),
        ((Unavailable("away"), StoreError("broken")), 60.0),
        ((Unavailable("away"),), 0.0),
    ],
)
async def test_what_waiting_does_not_mend_ends_the_start(failures: tuple[TaskgateError, ...], wait_s: float) -> None:
    start = Start(*failures)
    with pytest.raises(type(failures[-1])):
        await start.run(wait_s=wait_s)
    assert start.said.count("begin") == len(failures)
    assert start.said.count("open") == start.said.count("close")


async def test_a_signal_ends_the_waiting() -> None:
    start = Start(*[Unavailable("away")] * 100)
    asyncio.get_running_loop().call_later(0.1, start.stop.set)
    assert not await start.run()
    assert start.said[-1] == "close"


async def test_a_gateway_that_was_stopped_starts_again(tmp_path: Path) -> None:
    gateway = build(load({"data_dir": str(tmp_path), "grpc.enabled": False}))
    for _ in range(2):
        await gateway.life.start()
        assert gateway.life.ailment() is None
        record, text = await gateway.keys.create(None, name="one", scopes=["admin"])
        assert (await gateway.keys.authenticate(text)).id == record.id
        await gateway.life.stop()
