"""F2 with two gateways: a run was accepted at one and is worked on at the other, and there its worker's link is killed.

The run is begun again elsewhere within five seconds, and ends once. Where the other gateway is killed in the same
moment nobody is left who knows what that link held, and its lease has to run out first.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from taskgate import Client
from tests.nemesis.wires import Wire
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.system.cluster import WorkerProcess
from tests.system.pair import Pair

pytestmark = pytest.mark.system

TASKS = "tests.system.tasks"
NEAR, FAR = "near", "far"
NEAR_SLOTS = 3
AGAIN_S = 5.0
MACHINE_S = 5.0
LEASE_S = 30.0


async def until(claim: Callable[[], object], within_s: float = 40.0) -> float:
    """Wait for the claim; the seconds it took."""
    began = time.monotonic()
    while not await asyncio.to_thread(claim):
        assert time.monotonic() - began < within_s, "it did not come true in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


class Place:
    """Two gateways; `near` works at the first, `far` at the second for as long as it is there."""

    def __init__(self, folder: Path, database: str, redis: str) -> None:
        self.folder = folder
        self.pair = Pair(folder, database, redis)
        self.workers: dict[str, WorkerProcess] = {}
        self._wires: list[Wire] = []

    async def start(self) -> None:
        await asyncio.to_thread(self.pair.start)
        one, two = self.pair.one, self.pair.two
        for name, ports, slots in ((NEAR, (one.port,), NEAR_SLOTS), (FAR, (two.port, one.port), 1)):
            wire = Wire(*ports)
            await wire.open()
            self._wires.append(wire)
            url = f"http://127.0.0.1:{wire.port}"
            self.workers[name] = WorkerProcess(one, name, tasks=TASKS, slots=slots, url=url)

    def hire_again(self) -> None:
        """Another `far`: a worker whose link dies again and again waits longer each time before it comes back."""
        self.workers[FAR].kill()
        url = f"http://127.0.0.1:{self._wires[1].port}"
        self.workers[FAR] = WorkerProcess(self.pair.one, FAR, tasks=TASKS, slots=1, url=url)

    async def stop(self) -> None:
        for worker in self.workers.values():
            worker.kill()
        self.pair.stop()
        for wire in self._wires:
            await wire.close()

    def starts(self, run_id: str) -> int:
        ledger = self.folder / "ledger"
        lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
        return sum(line.startswith(run_id) and line.endswith("start") for line in lines)


@pytest.fixture
async def place(tmp_path: Path, postgres: Postgres, redis: Redis) -> AsyncIterator[Place]:
    redis.command("FLUSHALL")
    made = Place(tmp_path, postgres.new_database(), redis.url)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def struck(place: Place, number: int, *, with_gateway: bool) -> float:
    """One round: every slot has a run, those of `near` end, and the link of `far` dies; the seconds to the restart."""
    with Client(place.pair.one.url, place.pair.one.admin_key) as client:
        await until(lambda: sum(worker.status == "online" for worker in client.workers.all()) == 2)
        gates = [place.folder / f"gate-{number}-{slot}" for slot in range(NEAR_SLOTS + 1)]
        ledger = str(place.folder / "ledger")
        runs = [await asyncio.to_thread(client.submit, "sys.gated", {"ledger": ledger, "gate": str(g)}) for g in gates]
        await until(lambda: all(place.starts(run.id) for run in runs))
        await until(lambda: all(client.run(run.id).attempts[-1].started_at for run in runs))  # the accept is committed
        holders = [client.run(run.id).attempts[-1].holder for run in runs]
        at = holders.index(FAR)
        for slot, run in enumerate(runs):
            if slot != at:
                gates[slot].touch()
                assert (await asyncio.to_thread(run.wait, 30)).status == "succeeded"
        if with_gateway:
            place.pair.two.kill()
        os.kill(place.workers[FAR].link(), signal.SIGKILL)
        begun = place.starts(runs[at].id)
        took_s = await until(lambda: place.starts(runs[at].id) > begun)
        gates[at].touch()
        ended = await asyncio.to_thread(runs[at].wait, 30)
        assert ended.status == "succeeded"
        assert [attempt.outcome for attempt in ended.attempts][-2:] == ["worker_lost", "succeeded"]
    if with_gateway:
        await asyncio.to_thread(place.pair.two.start)
        place.hire_again()  # its next link would stay at the first gateway
    return took_s


async def test_f2_a_link_dies_at_the_other_gateway(place: Place) -> None:
    assert await struck(place, 1, with_gateway=False) <= AGAIN_S + MACHINE_S


@pytest.mark.soak
async def test_f2_many_links_die_at_the_other_gateway(place: Place) -> None:
    took = []
    for number in range(30):
        took.append(await struck(place, number, with_gateway=False))
        place.hire_again()
    print(f"\nrestarts: median {sorted(took)[len(took) // 2]:.2f} s, longest {max(took):.2f} s of {len(took)}")
    assert max(took) <= AGAIN_S


@pytest.mark.soak
async def test_f2_links_die_with_their_gateway(place: Place) -> None:
    """Nobody is left who knows what the link held: the lease runs out, and the run goes on elsewhere."""
    took = [await struck(place, number, with_gateway=True) for number in range(4)]
    print(f"\nrestarts: longest {max(took):.2f} s of {len(took)}")
    assert max(took) <= LEASE_S + AGAIN_S
