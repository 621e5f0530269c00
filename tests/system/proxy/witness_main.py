"""`python -m tests.system.proxy.witness_main KIND PORT FILE`: an upstream that writes down each request it saw.

KIND is the HTTP implementation: uvicorn with `httptools` or `h11`, or `aiohttp`. A request is noted when its head was
parsed, before its body: a request that was smuggled in is seen even if it never completes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
OK = b"seen"


class Notes:
    """One JSON line per request, appended whole."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def take(self, method: str, target: str, vector: str) -> None:
        line = json.dumps({"method": method, "target": target, "vector": vector}) + "\n"
        os.write(self._file, line.encode())


def application(notes: Notes) -> Any:
    """ASGI: note, read the body, answer 200."""

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        headers = dict(scope["headers"])
        target = scope["raw_path"].decode("latin-1")
        notes.take(scope["method"], target, headers.get(b"x-vector", b"").decode("latin-1"))
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": OK})

    return app


def serve_uvicorn(kind: str, port: int, notes: Notes) -> None:
    import uvicorn

    uvicorn.run(
        application(notes), host="127.0.0.1", port=port, http=kind, log_level="error", access_log=False, lifespan="off"
    )


def serve_aiohttp(port: int, notes: Notes) -> None:
    from aiohttp import web

    async def seen(request: web.Request) -> web.Response:
        notes.take(request.method, request.raw_path, request.headers.get("X-Vector", ""))
        await request.read()
        return web.Response(body=OK)

    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{rest:.*}", seen)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def main() -> int:
    kind, port, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    notes = Notes(file)
    if kind == "aiohttp":
        serve_aiohttp(port, notes)
    else:
        serve_uvicorn(kind, port, notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
