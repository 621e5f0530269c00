"""Pools are closed whatever happens, and leave no process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from taskgate.worker.processes import row
from tests.flows.worker.bench import Bench
from tests.flows.worker.gateway import FakeGateway
from tests.flows.worker.rig import Rig

NewBench = Callable[..., Awaitable[Bench]]
NewRig = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def new_bench() -> AsyncIterator[NewBench]:
    made: list[Bench] = []
    pids: set[int] = set()

    async def start(**settings: Any) -> Bench:
        bench = Bench(**settings)
        made.append(bench)
        await bench.pool.start()
        await bench.until(lambda: bench.pool.ready_count == bench.pool.settings.slots)
        return bench

    yield start
    for bench in made:
        pids |= {slot.pid for slot in bench.pool.slots}
        await bench.pool.close()
    assert {pid for pid in pids if row(pid) is not None} == set()


@pytest.fixture
async def bench(new_bench: NewBench) -> Bench:
    return await new_bench()


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    made = FakeGateway()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def new_rig(gateway: FakeGateway, tmp_path: Path) -> AsyncIterator[NewRig]:
    made: list[Rig] = []

    async def start(**settings: Any) -> Rig:
        rig = Rig(gateway, tmp_path / "state", **settings)
        made.append(rig)
        await rig.start()
        return rig

    yield start
    for rig in made:
        await rig.stop()
