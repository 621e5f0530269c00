"""Callers that never give up: each run is submitted under its key, at whichever gateway answers, until it is accepted.

Then it is waited for, cancelled or followed, at either gateway, and everything that was answered goes into the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.nemesis.record import Record
from tests.nemesis.tasks import NEVER
from tests.system.cluster import GatewayProcess

ENDED = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
TASK = "nemesis.work"
CALL_S = 10.0
POLL_S = 0.3
AGAIN_S = 0.2
LONGEST_AGAIN_S = 2.0
MOST_AT_ONCE = 60  # callers; more of them would only show how slow the machine is
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one caller does with one run."""

    key: str
    body: dict[str, Any]
    is_doubled: bool = False
    is_cancelled: bool = False
    is_followed: bool = False
    is_polled: bool = False


class Load:
    """Submits `rate` runs a second until it is ended, and sees those through that it watches."""

    def __init__(
        self, gateways: tuple[GatewayProcess, ...], record: Record, *, ledger: str, seed: int, rate: float
    ) -> None:
        self._gateways = gateways
        self._record = record
        self._chance = random.Random(seed)
        self._rate = rate
        self._ledger = ledger
        self._session: aiohttp.ClientSession
        self._is_ending = False
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)

    async def until_known(self, within_s: float) -> None:
        """Wait until both gateways know the task."""
        deadline = time.monotonic() + within_s
        async with self._calling():
            for turn in range(len(self._gateways)):
                while (await self._asked(turn, "GET", f"/v1/tasks/{TASK}"))[0] != 200:
                    assert time.monotonic() < deadline, "the workers did not come"
                    await asyncio.sleep(AGAIN_S)

    def _calling(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            headers={"X-API-Key": self._gateways[0].admin_key},
            timeout=aiohttp.ClientTimeout(total=CALL_S),
            connector=aiohttp.TCPConnector(limit=0),
        )
        return self._session

    async def run(self) -> None:
        """Submit until `end`, then see everything through."""
        async with self._calling(), asyncio.TaskGroup() as group:
            begun, number = time.monotonic(), 0
            while not self._is_ending:
                number += 1
                await self._at_once.acquire()
                group.create_task(self._live(self._life(number)))
                await asyncio.sleep(max(0.0, begun + number / self._rate - time.monotonic()))

    def end(self) -> None:
        self._is_ending = True

    def _life(self, number: int) -> Life:
        roll = self._chance.random()
        told: dict[str, Any] = {"ledger": self._ledger}
        body: dict[str, Any] = {"input": told}
        is_cancelled = is_followed = False
        if roll < 0.08:
            told |= {"seconds": round(self._chance.uniform(0.2, 1.5), 2)}
            is_cancelled = roll < 0.02
        elif roll < 0.14:
            told |= {"fails": self._chance.choice((1, 1, 1, NEVER))}
        elif roll < 0.20:
            body["delay_s"] = round(self._chance.uniform(0.2, 3.0), 2)
            is_cancelled = roll < 0.16
        elif roll < 0.24:
            is_cancelled = True
        elif roll < 0.28:
            told |= {"lines": self._chance.randint(5, 200)}
            is_followed = True
        rolls = (self._chance.random(), self._chance.random())
        return Life(
            key=f"n-{number}",
            body=body,
            is_doubled=rolls[0] < 0.1,
            is_cancelled=is_cancelled,
            is_followed=is_followed,
            is_polled=rolls[1] < 0.2,
        )

    async def _live(self, life: Life) -> None:
        try:
            submits = [self._submit(life, self._any()) for _ in range(2 if life.is_doubled else 1)]
            run_id = (await asyncio.gather(*submits))[0]
        finally:
            self._at_once.release()
        if not run_id:
            return
        if life.is_cancelled:
            await asyncio.sleep(random.random())
            await self._cancel(run_id)
        if life.is_followed:
            await self._follow(run_id, life.body["input"]["lines"])
        elif life.is_polled:
            await self._poll(run_id)

    def _any(self) -> int:
        return random.randrange(len(self._gateways))

    async def _asked(self, turn: int, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """One call at one gateway; status 0 when no answer came."""
        url = self._gateways[turn % len(self._gateways)].url + path
        try:
            async with self._session.request(method, url, **more) as answer:
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0, {}

    async def _submit(self, life: Life, turn: int) -> str:
        headers = {"Idempotency-Key": f'"{life.key}"'}
        path = f"/v1/tasks/{TASK}/runs"
        deadline, pause_s = time.monotonic() + PATIENCE_S, AGAIN_S
        while True:
            status, body = await self._asked(turn, "POST", path, json=life.body, headers=headers)
            run_id = body["id"] if status == 202 else ""
            self._record.note("submit", key=life.key, status=status, id=run_id, **_complaint(status, body))
            if run_id:
                return str(run_id)
            if time.monotonic() > deadline:
                self._record.note("given_up", key=life.key)
                return ""
            turn += 1
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, LONGEST_AGAIN_S)

    async def _cancel(self, run_id: str) -> None:
        turn, status = self._any(), 0
        deadline = time.monotonic() + PATIENCE_S
        while status not in (200, 409) and time.monotonic() < deadline:
            status, body = await self._asked(turn, "POST", f"/v1/runs/{run_id}/cancel")
            state = body.get("status") if status == 200 else _named(body.get("detail", ""))
            self._record.note("cancel", id=run_id, status=status, state=state, **_complaint(status, body))
            turn += 1
            await asyncio.sleep(0 if status in (200, 409) else LONGEST_AGAIN_S)

    async def _poll(self, run_id: str) -> None:
        turn, state, ends = self._any(), "", 0
        deadline = time.monotonic() + PATIENCE_S
        while ends < 2 and time.monotonic() < deadline:  # the end is read at the other gateway too
            asked_at = time.time()
            status, body = await self._asked(turn, "GET", f"/v1/runs/{run_id}")
            state = body.get("status", "") if status == 200 else ""
            told = _complaint(status, body)
            self._record.note("read", id=run_id, status=status, state=state, asked_at=asked_at, **told)
            ends += state in ENDED
            turn += 1
            await asyncio.sleep(POLL_S)

    async def _follow(self, run_id: str, lines: int) -> None:
        """The whole journal as a stream, which goes on at the other gateway behind the last number seen."""
        entries: list[tuple[int, str, str]] = []
        turn, is_whole = self._any(), False
        deadline = time.monotonic() + PATIENCE_S
        while not is_whole and time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                is_whole = await self._streamed(self._gateways[turn % 2].url, run_id, entries)
            turn += 1
            await asyncio.sleep(AGAIN_S)
        self._record.note("journal", id=run_id, entries=entries, lines=lines, is_whole=is_whole)

    async def _streamed(self, url: str, run_id: str, entries: list[tuple[int, str, str]]) -> bool:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(entries[-1][0] if entries else 0)}
        async with self._session.get(f"{url}/v1/runs/{run_id}/journal", headers=headers) as answer:
            if answer.status != 200:
                return False
            async for line in answer.content:
                if line.startswith(b"event: end"):
                    return True
                if line.startswith(b"data: "):
                    entry = json.loads(line[6:])
                    if "seq" in entry:
                        entries.append((entry["seq"], entry["kind"], entry.get("text") or ""))
        return False


def _complaint(status: int, body: Any) -> dict[str, Any]:
    return {} if status in (0, 200, 202) else {"body": {key: body.get(key) for key in ("code", "detail", "status")}}


def _named(detail: str) -> str:
    """The state that a refused cancel names."""
    return detail.rpartition("already ")[2].replace(" ", "_")
