"""The front on a real socket with an ASGI application behind it, and a caller who speaks raw bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from uvicorn.server import ServerState

from taskgate.proxy.doorway import Fronts, unclaimed
from taskgate.proxy.listening import listener_config
from taskgate.proxy.ports import Claims
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.turn import Turn

PATIENCE_S = 10.0
FLOOD = 16 << 20
Scope = MutableMapping[str, Any]


class Application:
    """Answers by path; keeps what it was asked and how it ended."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.written = 0
        self.gone = asyncio.Event()
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.heard_hold = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        self.asked.set()
        if scope["type"] == "websocket":
            await self._converse(scope, receive, send)
            return
        await getattr(self, "_do_" + scope["path"].strip("/").partition("/")[0])(scope, receive, send)

    async def _do_echo(self, scope: Scope, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return
            body, more = body + message["body"], message["more_body"]
        await answer(send, b"%s %s" % (scope["method"].encode(), body))

    async def _do_early(self, scope: Scope, receive: Any, send: Any) -> None:
        await answer(send, b"too much", status=413, headers=[(b"connection", b"close")])

    async def _do_empty(self, scope: Scope, receive: Any, send: Any) -> None:
        status = int(scope["query_string"])
        await send({"type": "http.response.start", "status": status, "headers": [(b"etag", b'"1"')]})
        await send({"type": "http.response.body", "body": b""})

    async def _do_stream(self, scope: Scope, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.go_on.wait()
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    async def _do_flood(self, scope: Scope, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2000):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            self.written += 65536
        await send({"type": "http.response.body"})

    async def _do_wait(self, scope: Scope, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()

    async def _do_fail(self, scope: Scope, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    async def _do_late(self, scope: Scope, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise ZeroDivisionError

    async def _do_silent(self, scope: Scope, receive: Any, send: Any) -> None:
        """Returns without an answer."""

    async def _do_inject(self, scope: Scope, receive: Any, send: Any) -> None:
        await answer(send, b"", headers=[(b"x-a", b"a\r\nset-cookie: b")])

    async def _converse(self, scope: Scope, receive: Any, send: Any) -> None:
        """Says what it heard. Texts with `now` are answered at once, behind `hold` it hears nothing until `go_on`, and
        `flood` gets more than goes out at a time."""
        await receive()
        await send({"type": "websocket.accept"})
        at_once = scope["extensions"]["taskgate.at_once"]
        at_once["answer"](lambda text: [b"at once " + text] * text.count(b"now") if b"now" in text else None)
        while (message := await receive())["type"] == "websocket.receive":
            if message["text"] == "hold":
                self.heard_hold.set()
                await self.go_on.wait()
            if message["text"] == "flood":
                await send({"type": "websocket.send", "text": "x" * FLOOD})
                continue
            await send({"type": "websocket.send", "text": "heard " + message["text"]})


async def answer(
    send: Any, body: bytes, *, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    lines = [(b"content-length", b"%d" % len(body)), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


class Door:
    """The listening front."""

    def __init__(self, application: Application, port: int, state: ServerState) -> None:
        self.application = application
        self.port = port
        self.state = state

    @asynccontextmanager
    async def caller(self) -> AsyncIterator[Caller]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Caller(reader, writer)
        finally:
            writer.transport.abort()


class Caller:
    """One connection of a caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, sent: bytes) -> None:
        self.writer.write(sent)

    async def head(self) -> bytes:
        """The next head, its blank line included."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def body(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Everything until the end of the stream."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer, which has a length."""
        head = await self.head()
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return int(head[9:12]), await self.body(length)


@asynccontextmanager
async def open_door(settings: ProxySettings | None = None, *, claims: Claims = unclaimed) -> AsyncIterator[Door]:
    """A front that listens on a free port of this machine; the sweep comes often."""
    application = Application()
    config = listener_config(application, max_frame_bytes=1 << 20)
    config.load()
    state = ServerState()
    fronts = Fronts(claims, settings, turn=Turn(period_s=0.05))
    listener = await asyncio.get_running_loop().create_server(lambda: fronts(config, state, {}), "127.0.0.1", 0)
    try:
        yield Door(application, listener.sockets[0].getsockname()[1], state)
    finally:
        listener.close()
        fronts.cut()
        for task in tuple(state.tasks):
            task.cancel()
        if state.tasks:
            await asyncio.wait(tuple(state.tasks), timeout=PATIENCE_S)
        for _ in range(3):
            await asyncio.sleep(0)  # transports tell their loss in a turn of their own
