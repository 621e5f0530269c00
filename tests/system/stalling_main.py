"""A service that takes what it is given and never answers: notes every call in a file. Arguments: port, file."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

PORT, NOTES = int(sys.argv[1]), sys.argv[2]


async def stall(request: web.Request) -> web.Response:
    """Note the call and keep it for ever."""
    key = request.headers["Idempotency-Key"]
    await asyncio.to_thread(_note, f"{key} {await request.text()}\n")
    await asyncio.Event().wait()
    return web.Response()


def _note(line: str) -> None:
    with open(NOTES, "a", encoding="utf-8") as notes:
        notes.write(line)


app = web.Application()
app.router.add_post("/do", stall)
app.router.add_get("/health", lambda _: asyncio.sleep(0, web.Response()))
web.run_app(app, host="127.0.0.1", port=PORT, print=None)
