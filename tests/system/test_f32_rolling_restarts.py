"""F32, G-8: two gateways behind HAProxy are restarted one after the other under mixed traffic, and nothing fails.

HAProxy asks `/health/ready` as the page on several gateways says a balancer should. Callers, workers and followers of
journals know only its address. Nobody tries anything twice.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.system.cluster import WorkerProcess
from tests.system.haproxy import HaProxy
from tests.system.pair import Pair
from tests.system.traffic import Traffic, Upstream, prepared, unfinished

pytestmark = pytest.mark.system

TASKS = "tests.system.talking"
RESUMED_S = 5.0
MACHINE_S = 5.0


async def restarted(pair: Pair, *, rounds: int, calm_s: float) -> None:
    for _ in range(rounds):
        for gateway in (pair.one, pair.two):
            await asyncio.sleep(calm_s)
            assert await asyncio.to_thread(gateway.stop, 45.0) == 0
            await asyncio.to_thread(gateway.start)


async def rolled(
    folder: Path,
    postgres: Postgres,
    redis: Redis,
    *,
    rate: float,
    rounds: int,
    least: int,
    calm_s: float,
    lines: int = 100,
) -> tuple[Traffic, list[str], str]:
    """So many rounds under traffic, until so many calls were made: the traffic, what was lost, what was logged."""
    redis.command("FLUSHALL")
    pair = Pair(folder, postgres.new_database(), redis.url)
    workers: list[WorkerProcess] = []
    balancer = HaProxy(folder / "haproxy", (pair.one, pair.two))
    try:
        pair.start()
        balancer.start()
        hired = (WorkerProcess(pair.one, name, tasks=TASKS, slots=3, url=balancer.url) for name in ("w1", "w2"))
        workers.extend(hired)
        async with Upstream() as upstream:
            await prepared((pair.one, pair.two), upstream, workers=len(workers))
            traffic = Traffic(balancer.url, pair.one.admin_key, rate=rate, lines=lines)
            async with asyncio.TaskGroup() as group:
                group.create_task(traffic.run())
                await restarted(pair, rounds=rounds, calm_s=calm_s)
                await traffic.until(least)
                traffic.end()
        lost = await unfinished(balancer.url, pair.one.admin_key, traffic.accepted)
        logs = pair.one.log() + pair.two.log() + "".join(worker.log() for worker in workers)
        return traffic, lost, logs
    finally:
        for worker in workers:
            worker.kill()
        balancer.stop()
        pair.stop()


def judge(traffic: Traffic, lost: list[str], logs: str) -> None:
    print(f"\n{traffic.told()}, {len(lost)} lost")
    assert traffic.failures == []
    assert lost == []
    assert "Traceback" not in logs


async def test_f32_a_round_of_restarts_fails_no_call(tmp_path: Path, postgres: Postgres, redis: Redis) -> None:
    told = await rolled(tmp_path, postgres, redis, rate=80.0, rounds=1, least=400, calm_s=0.5, lines=30)
    judge(*told)
    assert told[0].longest_pause_s <= RESUMED_S + MACHINE_S


@pytest.mark.soak
async def test_f32_ten_rounds_of_restarts_fail_no_call(tmp_path: Path, postgres: Postgres, redis: Redis) -> None:
    told = await rolled(tmp_path, postgres, redis, rate=500.0, rounds=10, least=100_000, calm_s=4.0)
    judge(*told)
    assert told[0].longest_pause_s <= RESUMED_S
