"""`python -m tests.system.proxy.streams_main PORT`: a service of streams: SSE, WebSocket echo, large bodies.

`/events?n=N` sends N numbered events, `/endless` never ends, `/echo` is a WebSocket, `/bytes?n=N` gives N bytes,
`/swallow` counts a body, `/slow?s=S` answers after so many seconds, `/page` is a page whose script reads `/events`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

PIECE = b"x" * 65536
PAGE = """<!doctype html><title>waiting</title><pre id=said></pre><script>
const source = new EventSource("events?n=5");
const said = document.getElementById("said");
source.onmessage = event => { said.textContent += event.lastEventId + ":" + event.data + "\\n"; };
source.onerror = () => { source.close(); document.title = "ended"; };
</script>"""


async def events(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await answer.prepare(request)
    async for piece in _events(int(request.query.get("n", "5"))):
        await answer.write(piece)
    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    async for piece in _events(1 << 62, pause_s=0.0, fill=int(request.query.get("size", "1000"))):
        await answer.write(piece)
    return answer


async def _events(count: int, *, pause_s: float = 0.01, fill: int = 0) -> AsyncIterator[bytes]:
    for number in range(count):
        yield f"id: {number}\ndata: event {number}{'x' * fill}\n\n".encode()
        await asyncio.sleep(pause_s)


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(max_msg_size=1 << 20, compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


async def flood(request: web.Request) -> web.WebSocketResponse:
    """Pushes as fast as it is read."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    while not socket.closed:
        await socket.send_bytes(PIECE)
    return socket


async def many_bytes(request: web.Request) -> web.StreamResponse:
    left = int(request.query.get("n", "1000"))
    answer = web.StreamResponse(headers={"Content-Length": str(left)})
    await answer.prepare(request)
    while left > 0:
        await answer.write(PIECE[: min(left, len(PIECE))])
        left -= len(PIECE)
    return answer


async def swallow(request: web.Request) -> web.Response:
    count = 0
    async for piece in request.content.iter_any():
        count += len(piece)
    return web.json_response({"bytes": count})


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(float(request.query.get("s", "1")))
    return web.Response(text="late")


async def plain(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path, "method": request.method})


async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


def application() -> web.Application:
    app = web.Application(client_max_size=1 << 31)
    for path, answer in {
        "/events": events, "/endless": endless, "/echo": echo, "/flood": flood, "/bytes": many_bytes,
        "/slow": slow, "/page": page,
    }.items():  # fmt: skip
        app.router.add_get(path, answer)
    app.router.add_post("/swallow", swallow)
    app.router.add_route("*", "/{rest:.*}", plain)
    return app


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    web.run_app(application(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
