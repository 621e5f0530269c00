"""A real gateway on a real port in a thread of its own, and a small worker that does what its task's name says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from taskgate.config import load
from taskgate.server import Server

SHORT = {"runs.heartbeat_s": 0.5, "runs.lease_s": 2.0, "link.dead_after_s": 2.0}
OBJECT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TASKS = [
    {"name": "echo"},
    {"name": "chatty"},
    {"name": "strict", "input_schema": OBJECT},
    {"name": "broken", "retries": 0},
    {"name": "patient"},
]


class LiveGateway:
    """`start` and `stop` may be called in turn: the port and the data stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="live gateway")
        self._thread.start()
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def key(self, name: str) -> str:
        """The text of one of the first keys."""
        return (self.folder / f"{name}.key").read_text(encoding="utf-8").strip()

    def start(self) -> None:
        """Serve; returns when it answers."""
        self.within(self._start())

    def stop(self) -> None:
        """The orderly end, as after SIGTERM."""
        self.within(self._stop())

    def close(self) -> None:
        """Stop the gateway, if it runs, and its thread."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def within(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of a coroutine that runs beside the gateway."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        flags = {"http.port": self.port, "grpc.enabled": False, "data_dir": str(self.folder), **SHORT}
        self._server = Server(load(flags, env={}))
        self._serving = asyncio.create_task(self._server.run())
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait({ready, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._serving.done():
            await self._serving
        self.port = self._server.http_port

    async def _stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.stop()
            await self._serving
            self._server = None


class SmallWorker:
    """Connects again for ever. `chatty` writes lines until `go` is set, `patient` waits for `go`."""

    def __init__(self, gateway: LiveGateway) -> None:
        self._gateway = gateway
        self.go = threading.Event()
        self._task: asyncio.Task[None] = gateway.within(self._begin())

    def close(self) -> None:
        """Leave."""
        self._gateway.within(self._end())

    async def _begin(self) -> asyncio.Task[None]:
        return asyncio.create_task(self._work())

    async def _end(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        headers = {"X-API-Key": self._gateway.key("worker")}
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    async with session.ws_connect(f"{self._gateway.url}/ws/workers/small") as link:
                        await link.send_json({"type": "hello", "worker_id": "small", "tasks": TASKS})
                        beating = asyncio.create_task(_beat(link))
                        try:
                            async for message in link:
                                frame = json.loads(message.data)
                                if frame["type"] == "task":
                                    await self._do(link, frame)
                        finally:
                            beating.cancel()
                await asyncio.sleep(0.02)

    async def _do(self, link: aiohttp.ClientWebSocketResponse, frame: dict[str, Any]) -> None:
        receipt = {name: frame[name] for name in ("run_id", "attempt", "lease_token")}
        seq = 0
        while frame["capability"] in ("chatty", "patient") and not self.go.is_set():
            if frame["capability"] == "chatty":
                seq += 1
                lines = [{"seq": seq, "text": f"line {seq}"}]
                await link.send_json({"type": "log", **receipt, "stream": "stdout", "lines": lines})
            await asyncio.sleep(0.005)
        told = {"status": "ok", "result": frame["payload"]}
        if frame["capability"] == "broken":
            told = {"status": "error", "error": "it broke", "error_code": "BROKEN", "retryable": False}
        await link.send_json({"type": "task_result", **receipt, **told})


async def _beat(link: aiohttp.ClientWebSocketResponse) -> None:
    """A simple client's heartbeat: it renews what the client holds."""
    with contextlib.suppress(aiohttp.ClientError, ConnectionError):
        while True:
            await link.send_json({"type": "heartbeat"})
            await asyncio.sleep(0.3)
