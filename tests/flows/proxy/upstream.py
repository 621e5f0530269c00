"""A real service and a plain way to call it, for what is built upon calls and not upon the pool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from taskgate.errors import UpstreamBroken, UpstreamSlow
from taskgate.proxy.caller import Reply
from taskgate.proxy.ports import Pair
from taskgate.routes.service import Service

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PlainCaller:
    """Calls with aiohttp."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def call(
        self,
        service: Service,
        method: str,
        *,
        target: bytes,
        headers: Sequence[Pair],
        body: bytes,
        timeout_s: float,
        max_bytes: int,
    ) -> Reply:
        origin = "/".join(service.base_url.split("/")[:3])
        try:
            async with self._session.request(
                method,
                origin + target.decode(),
                data=body,
                headers={name.decode(): value.decode() for name, value in headers},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as answer:
                content = await answer.content.read(max_bytes)
                pairs = tuple((name.lower(), value) for name, value in answer.raw_headers)
                return Reply(status=answer.status, headers=pairs, body=content)
        except TimeoutError as error:
            raise UpstreamSlow("no answer in time") from error
        except aiohttp.ClientError as error:
            raise UpstreamBroken("no answer") from error


class Upstream:
    """A service that answers as the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        self.cut_count = 0
        self.came = asyncio.Event()
        self.go_on = asyncio.Event()
        self.answer: Answer = self.double
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.method, request.path_qs, headers, body))
        self.came.set()
        return await self.answer(request)

    async def double(self, request: web.Request) -> web.Response:
        return web.json_response({"twice": 2 * json.loads(await request.text())["n"]})

    async def stall(self, request: web.Request) -> web.Response:
        """Answers when it may go on; counts callers that hang up before."""
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cut_count += 1
            raise
        return await self.double(request)

    def says(self, status: int, **options: Any) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response({"why": "because"}, status=status, **options)

        self.answer = answer


@asynccontextmanager
async def running_upstream() -> AsyncIterator[Upstream]:
    made = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    made.go_on.set()
    await runner.cleanup()
