"""G-1 over PostgreSQL and Redis: runs are accepted by two gateways while each in turn is killed with -9.

The callers' own list and the workers' own counts are the oracle: nothing accepted is lost, no key gave two runs.
`make test` plays few kills, `make soak` twenty over at least 20,000 runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

import aiohttp
import pytest

from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.system.cluster import Caller, SimpleWorker
from tests.system.pair import Pair

pytestmark = pytest.mark.system

CALLERS = 12
ENDED_S = 120.0


class Crowd:
    """Callers and workers at both gateways."""

    def __init__(self, pair: Pair, session: aiohttp.ClientSession) -> None:
        self.callers = [Caller(gateway, session) for gateway in (pair.one, pair.two)]
        self.workers = [
            SimpleWorker(gateway, f"echo-{place}-{number}", says_times=2)
            for place, gateway in (("one", pair.one), ("two", pair.two))
            for number in range(4)
        ]
        self._working = [asyncio.create_task(worker.run()) for worker in self.workers]
        self._calling: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        await self.callers[0].submit("echo", "first", {"n": -1})
        self._calling = [asyncio.create_task(self._submit_for_ever(number)) for number in range(CALLERS)]

    @property
    def accepted(self) -> dict[str, set[str]]:
        """The ids that each key gave, at either gateway."""
        found: dict[str, set[str]] = {}
        for caller in self.callers:
            for key, ids in caller.accepted.items():
                found.setdefault(key, set()).update(ids)
        return found

    async def until_accepted(self, count: int) -> None:
        while len(self.accepted) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    async def end_calls(self) -> None:
        await _ended(self._calling)

    async def end(self) -> None:
        await _ended(self._calling + self._working)

    async def _submit_for_ever(self, number: int) -> None:
        """The same key at one gateway and then at the other: one run."""
        count = 0
        while True:
            count += 1
            key, turn = f"caller-{number}-{count}", count % 2
            await self.callers[turn].submit("echo", key, {"n": count})
            if count % 10 == 0:
                await self.callers[1 - turn].submit("echo", key, {"n": count})


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def killed(folder: Path, postgres: Postgres, redis: Redis, *, kills: int, runs: int, seed: int) -> None:
    """Kill one and the other in turn, evenly over the runs; judge what became of everything."""
    redis.command("FLUSHALL")
    chance = random.Random(seed)
    pair = Pair(folder, postgres.new_database(), redis.url)
    await asyncio.to_thread(pair.start)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
        crowd = Crowd(pair, session)
        try:
            await crowd.begin()
            for number in range(kills):
                await crowd.until_accepted((number + 1) * runs // (kills + 1))
                gateway = (pair.one, pair.two)[number % 2]
                gateway.kill()
                await asyncio.sleep(chance.uniform(0.0, 0.5))
                await asyncio.to_thread(gateway.start)
            await crowd.until_accepted(runs)
            await crowd.end_calls()
            accepted = crowd.accepted
            ids = [run_id for of_key in accepted.values() for run_id in of_key]
            ends = [await crowd.callers[0].until_ended(run_id, ENDED_S) for run_id in ids]
        finally:
            await crowd.end()
            pair.stop()
    done = [worker.done for worker in crowd.workers]
    times = {run_id: sum(of_worker.get(run_id, 0) for of_worker in done) for run_id in ids}
    again = sum(count > 1 for count in times.values())
    print(f"\n{len(accepted)} runs, {kills} kills, seed {seed}: {len(ids) - len(accepted)} doubled, {again} done again")
    assert all(len(of_key) == 1 for of_key in accepted.values()), "a key gave two runs (INV-T3)"
    assert {run["status"] for run in ends} == {"succeeded"}, "an accepted run was lost (INV-T1)"
    assert min(times.values()) >= 1, "a run succeeded that nobody has done"
    assert again <= kills * len(crowd.workers) * 2, "more was done again than was under way (G-6)"


async def test_g1_few_kills_lose_and_double_nothing(tmp_path: Path, postgres: Postgres, redis: Redis) -> None:
    await killed(tmp_path, postgres, redis, kills=2, runs=250, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [7])
async def test_g1_twenty_kills_lose_and_double_nothing(
    seed: int, tmp_path: Path, postgres: Postgres, redis: Redis
) -> None:
    await killed(tmp_path, postgres, redis, kills=20, runs=20_000, seed=seed)
