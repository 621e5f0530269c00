"""F41, INV-A3: callers leave in the middle of half of all calls, and no answer goes to another.

A gateway over PostgreSQL and Redis; every call asks for something that only its own answer can hold: the run of a
nonce. A caller that leaves cuts its connection, so what it asked is cancelled on its way through pool and pipe.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.cluster import GatewayProcess

RUNS = 100
AT_ONCE = 40
LONGEST_S = 8.0


class Crossing:
    """Asks, leaves, and compares what it was told with what it asked."""

    def __init__(
        self, session: aiohttp.ClientSession, runs: dict[str, int], *, stays: int = 2, leave_s: float = 0.03
    ) -> None:
        self._session = session
        self._stays = stays
        self._leave_s = leave_s
        self._runs = runs
        self._ids = list(runs)
        self._random = random.Random(41)
        self.counts = {"answered": 0, "cancelled": 0, "crossed": 0, "refused": 0}

    async def ask(self) -> None:
        run_id = self._random.choice(self._ids)
        if self._random.random() < 0.7:
            await self._same("GET", f"/v1/runs/{run_id}", nonce=self._runs[run_id], run_id=run_id)
        else:  # the same key finds the same run: another's answer would be another's id
            body = {"input": {"nonce": self._runs[run_id]}}
            key = {"Idempotency-Key": f'"n{self._runs[run_id]}"'}
            await self._same("POST", "/v1/tasks/echo/runs", nonce=None, run_id=run_id, json=body, headers=key)

    async def _same(self, method: str, path: str, *, nonce: int | None, run_id: str, **more: Any) -> None:
        async with self._session.request(method, path, **more) as answer:
            told = await answer.json()
        if answer.status not in (200, 202):
            self.counts["refused"] += 1
        elif told["id"] != run_id or (nonce is not None and told["input"] != {"nonce": nonce}):
            self.counts["crossed"] += 1
        else:
            self.counts["answered"] += 1

    def _leaves(self, number: int) -> bool:
        return number % self._stays != 0

    async def some(self, count: int) -> None:
        """So many calls at once; all but every `stays`th one are left, each after a moment of its own."""
        calls = [asyncio.ensure_future(self.ask()) for _ in range(count)]
        leaving = [
            asyncio.ensure_future(self._leave(call)) for number, call in enumerate(calls) if self._leaves(number)
        ]
        found = await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.gather(*leaving)
        self.counts["cancelled"] += sum(isinstance(one, asyncio.CancelledError) for one in found)
        assert not [one for one in found if one is not None and not isinstance(one, asyncio.CancelledError)]

    def is_enough(self, calls: int, left: int) -> bool:
        return sum(self.counts.values()) >= calls and self.counts["cancelled"] >= left

    async def _leave(self, call: asyncio.Future[None]) -> None:
        await asyncio.sleep(self._random.uniform(0.0, self._leave_s))
        call.cancel()


async def crossed(
    folder: Path, *, database: str, redis: str, calls: int, longest_s: float, left: int = 0, **how: Any
) -> dict[str, int]:
    """Call until so many calls were made and so many of them left, or the time is up; what came of them."""
    gateway = GatewayProcess(folder / "data", settings={"DATABASE_URL": database, "REDIS_URL": redis})
    try:
        gateway.start()
        headers = {"X-API-Key": gateway.admin_key}
        async with aiohttp.ClientSession(gateway.url, headers=headers) as session:
            definition = {"version": "1", "targets": [{"kind": "workers"}]}
            async with session.put("/v1/tasks/echo", json=definition) as answer:
                assert answer.status in (200, 201), await answer.text()
            items = [{"input": {"nonce": n}, "idempotency_key": f"n{n}"} for n in range(RUNS)]
            async with session.post("/v1/tasks/echo/runs/batch", json={"items": items}) as answer:
                told = await answer.json()
            runs = {item["run"]["id"] if "run" in item else item["id"]: n for n, item in enumerate(told["items"])}
            crossing, began = Crossing(session, runs, **how), time.monotonic()
            while time.monotonic() - began < longest_s and not crossing.is_enough(calls, left):
                await crossing.some(AT_ONCE)
            print(f"\n{crossing.counts} in {time.monotonic() - began:.1f} s")
            return crossing.counts
    finally:
        gateway.kill()


@pytest.mark.system
async def test_f41_nobody_gets_the_answer_of_another(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    counts = await crossed(tmp_path, database=postgres_url, redis=redis_url, calls=4_000, longest_s=LONGEST_S)
    assert (counts["crossed"], counts["refused"]) == (0, 0)
    assert counts["answered"] >= 100
    assert counts["cancelled"] >= 30


@pytest.mark.soak
async def test_f41_a_hundred_thousand_callers_leave(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    how: dict[str, Any] = {"left": 100_000, "stays": 5, "leave_s": 0.012}
    counts = await crossed(tmp_path, database=postgres_url, redis=redis_url, calls=100_000, longest_s=1200.0, **how)
    assert (counts["crossed"], counts["refused"]) == (0, 0)
    assert counts["cancelled"] >= 100_000
    assert counts["answered"] >= 10_000
