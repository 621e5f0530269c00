"""Mixed callers at an even pace, whoever of several gateways answers: what was refused, cut or wrong is kept.

Half of the calls go to a service behind the gateways; the rest submits, waits, reads and lists. Beside them streams
follow journals: cut ones go on behind the last number seen. Nothing is tried twice, so that every failure counts.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise, zip_longest
from typing import Any

import aiohttp

from tests.system.cluster import GatewayProcess, free_port

ECHO, LINES = "talk.echo", "talk.lines"
KINDS = {"proxied": 55, "submitted": 8, "waited": 4, "read": 28, "listed": 5}
LINE_S = 0.1
STEADY_LINES = 20  # with so many lines behind and before it, a run neither begins nor ends
STEADY_S = 90.0
MOST_TOLD = 20
AGAIN_S = 0.05
CALL_S = 40.0
READY_S = 40.0
PREFIX = "/v1/up"


class Answering(asyncio.Protocol):
    """One connection of the service: `ok` for every head that comes in."""

    def __init__(self, opened: set[asyncio.Transport]) -> None:
        self._opened = opened
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._opened.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")


class Upstream:
    """A service that says `ok` to everything."""

    def __init__(self) -> None:
        self.port = free_port()
        self._opened: set[asyncio.Transport] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Upstream:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Answering(self._opened), "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for transport in list(self._opened):
            transport.abort()

    def registration(self) -> dict[str, Any]:
        """What registers it for an hour."""
        route = {
            "name": "any",
            "method": "GET",
            "gateway_path": f"{PREFIX}/{{rest:path}}",
            "upstream_path": "/{rest:path}",
        }
        return {"name": "up", "base_url": f"http://127.0.0.1:{self.port}", "routes": [route], "lease_s": 3600}


class Traffic:
    """`rate` calls a second by `callers` with a connection each, and some streams, until `end`."""

    def __init__(
        self, url: str, key: str, *, rate: float, lines: int = 100, callers: int = 40, streams: int = 2
    ) -> None:
        self._url, self._key = url, key
        self._rate, self._callers, self._streams = rate, callers, streams
        self._lines = lines
        self._recent: deque[str] = deque(maxlen=500)
        self._is_ending = asyncio.Event()
        self._followed_now: dict[str, list[dict[str, Any]]] = {}
        self._chance = random.Random(32)
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.accepted: list[str] = []
        self.longest_pause_s = 0.0
        self.cuts = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def told(self) -> str:
        """What became of everything, in a line."""
        calls = f"{self.total} calls {dict(self.counts)}, {len(self.failures)} failed {self.failures[:MOST_TOLD]}"
        streams = f"{self.cuts} streams cut, longest pause {self.longest_pause_s:.2f} s"
        return f"{calls}; {streams}; {len(self.accepted)} runs"

    async def until(self, count: int) -> None:
        """Wait for that many calls."""
        while self.total < count:  # noqa: ASYNC110
            await asyncio.sleep(AGAIN_S)

    async def until_steady(self) -> None:
        """Wait for a moment at which the run of every stream is well under way, and goes on for a while."""
        async with asyncio.timeout(STEADY_S):
            while not self._is_steady():  # noqa: ASYNC110
                await asyncio.sleep(AGAIN_S)

    def _is_steady(self) -> bool:
        counts = [len(entries) for entries in self._followed_now.values()]
        last = self._lines - STEADY_LINES
        return len(counts) == self._streams and all(STEADY_LINES <= count <= last for count in counts)

    def end(self) -> None:
        self._is_ending.set()

    async def run(self) -> None:
        """Call until the end; streams are followed to theirs."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._callers):
                group.create_task(self._call_on(number))
            for _ in range(self._streams):
                group.create_task(self._stream_on())

    def _session(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=CALL_S)
        return aiohttp.ClientSession(self._url, headers={"X-API-Key": self._key}, timeout=timeout)

    async def _call_on(self, number: int) -> None:
        async with self._session() as session:
            at = time.monotonic() + number / self._rate
            while not self._is_ending.is_set():
                await asyncio.sleep(max(0.0, at - time.monotonic()))
                at = max(at + self._callers / self._rate, time.monotonic() - 1.0)
                kind = self._chance.choices(list(KINDS), list(KINDS.values()))[0]
                began = time.time()
                try:
                    complaint = await getattr(self, f"_{kind}")(session)
                except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                    complaint = repr(error)
                self.counts[kind] += 1
                if complaint:
                    self._fail(f"{kind} {began:.3f}: {complaint}")

    def _fail(self, text: str) -> None:
        self.failures.append(text[:400])

    async def _proxied(self, session: aiohttp.ClientSession) -> str:
        async with session.get(f"{PREFIX}/a/b?c=d") as answer:
            text = await answer.text()
            return "" if (answer.status, text) == (200, "ok") else f"{answer.status} {text}"

    async def _submitted(self, session: aiohttp.ClientSession) -> str:
        async with session.post(f"/v1/tasks/{ECHO}/runs", json={"input": {"value": 1}}) as answer:
            body = await answer.json()
            if answer.status != 202:
                return f"{answer.status} {body}"
            self.accepted.append(body["id"])
            self._recent.append(body["id"])
            return ""

    async def _waited(self, session: aiohttp.ClientSession) -> str:
        value, headers = self._chance.randrange(1 << 30), {"Prefer": "wait=30"}
        async with session.post(f"/v1/tasks/{ECHO}/runs", json={"input": {"value": value}}, headers=headers) as answer:
            body = await answer.json()
            if answer.status not in (200, 202):
                return f"{answer.status} {body}"
            self.accepted.append(body["id"])
            if answer.status == 200 and body.get("output") != value:
                return f"another's answer: {body}"
            return ""

    async def _read(self, session: aiohttp.ClientSession) -> str:
        if not self._recent:
            return ""
        async with session.get(f"/v1/runs/{self._chance.choice(self._recent)}") as answer:
            return "" if answer.status == 200 else f"{answer.status} {await answer.text()}"

    async def _listed(self, session: aiohttp.ClientSession) -> str:
        async with session.get("/v1/runs?limit=5") as answer:
            text = await answer.text()
            return "" if answer.status == 200 else f"{answer.status} {text}"

    async def _stream_on(self) -> None:
        """One talking run after the other."""
        async with self._session() as session:
            while not self._is_ending.is_set():
                told = {"input": {"count": self._lines, "pause_s": LINE_S}}
                try:
                    async with session.post(f"/v1/tasks/{LINES}/runs", json=told) as answer:
                        body = await answer.json()
                        assert answer.status == 202, body
                except (aiohttp.ClientError, TimeoutError, OSError, AssertionError) as error:
                    self._fail(f"stream: {error!r}")
                    continue
                self.accepted.append(body["id"])
                await self._follow(session, body["id"])

    async def _follow(self, session: aiohttp.ClientSession, run_id: str) -> None:
        entries = self._followed_now[run_id] = []
        while not await self._followed(session, run_id, entries):
            self.cuts += 1
            await asyncio.sleep(AGAIN_S)
        del self._followed_now[run_id]
        seen = [entry["seen_at"] for entry in entries if entry["kind"] == "log"]
        self.longest_pause_s = max([self.longest_pause_s, *(b - a for a, b in pairwise(seen))])
        numbers = [entry["seq"] for entry in entries]
        texts = [entry["text"] for entry in entries if entry["kind"] == "log"]
        wanted = [f"line {n}" for n in range(self._lines)]
        if numbers != list(range(1, len(numbers) + 1)):
            self._fail(f"journal of {run_id}: numbered {numbers}")
        elif texts != wanted:
            at = next(n for n, pair in enumerate(zip_longest(texts, wanted)) if pair[0] != pair[1])
            self._fail(f"journal of {run_id}: {len(texts)} lines, and after {at}: {texts[at : at + 5]}")

    async def _followed(self, session: aiohttp.ClientSession, run_id: str, entries: list[dict[str, Any]]) -> bool:
        """One connection of a stream; whether it was told the end."""
        last = str(entries[-1]["seq"] if entries else 0)
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
        try:
            async with session.get(f"/v1/runs/{run_id}/journal", headers=headers) as answer:
                if answer.status != 200:
                    self._fail(f"stream: {answer.status} {await answer.text()}")
                    return False
                async for line in answer.content:
                    if line.startswith(b"event: end"):
                        return True
                    if line.startswith(b"data: ") and "seq" in (entry := json.loads(line[6:])):
                        entries.append(entry | {"seen_at": time.monotonic()})
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        return False


async def prepared(gateways: Sequence[GatewayProcess], upstream: Upstream, *, workers: int) -> None:
    """Wait until every gateway knows the service, the tasks and that many workers."""
    headers = {"X-API-Key": gateways[0].admin_key}
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.timeout(READY_S):
        async with session.post(f"{gateways[0].url}/gateway/register", json=upstream.registration()) as answer:
            assert answer.status in (200, 201), await answer.text()
        for gateway in gateways:
            for path in (f"/v1/tasks/{ECHO}", f"/v1/tasks/{LINES}", f"{PREFIX}/a"):
                await until(lambda url=gateway.url + path: _is_there(session, url))  # type: ignore[misc]
            await until(lambda gateway=gateway: _are_online(session, gateway, workers))  # type: ignore[misc]


async def until(claim: Callable[[], Awaitable[bool]]) -> None:
    while not await claim():  # noqa: ASYNC110
        await asyncio.sleep(AGAIN_S)


async def _is_there(session: aiohttp.ClientSession, url: str) -> bool:
    async with session.get(url) as answer:
        return answer.status == 200


async def _are_online(session: aiohttp.ClientSession, gateway: GatewayProcess, count: int) -> bool:
    async with session.get(f"{gateway.url}/gateway/workers") as answer:
        workers = (await answer.json())["workers"]
        return [worker["status"] for worker in workers].count("online") >= count


async def unfinished(url: str, key: str, run_ids: list[str], within_s: float = 150.0) -> list[str]:
    """Which of these runs do not come to have succeeded."""
    deadline, left = time.monotonic() + within_s, list(run_ids)
    async with aiohttp.ClientSession(url, headers={"X-API-Key": key}) as session:
        while left and time.monotonic() < deadline:
            page, rest = left[:200], left[200:]
            still = []
            for run_id in page:
                async with session.get(f"/v1/runs/{run_id}") as answer:
                    if (await answer.json()).get("status") != "succeeded":
                        still.append(run_id)
            if len(still) == len(page):
                await asyncio.sleep(0.2)
            left = rest + still
    return left
