"""A data plane on a loopback socket: the real front and the real plane, between raw callers and raw upstreams."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from taskgate.errors import Unauthenticated
from taskgate.identity.principal import Principal
from taskgate.proxy.doorway import Fronts
from taskgate.proxy.plane import Plane
from taskgate.proxy.ports import Pair
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.turn import Turn
from taskgate.routes.policy import Policy
from taskgate.routes.service import Route, Service, Snapshot

CALLERS = {
    b"good": Principal(id="k1", name="good", scopes=frozenset({"submit"})),
    b"reader": Principal(id="k2", name="reader", scopes=frozenset({"read"})),
    b"foreign": Principal(id="k3", name="foreign", scopes=frozenset({"admin"}), site_id="other"),
    b"stranger": Principal(id="k5", name="stranger", scopes=frozenset({"admin"}), site_id="other"),
    b"unknown": Principal(id="k4", name="unknown", scopes=frozenset({"submit"}), user_id="u-ä", app_id="a"),
}
ASKED_ABOUT = (b"unknown", b"stranger")
WAIT_S = 10.0


class Door:
    """Knows some keys at once, and some only after asking."""

    def recall(
        self, pairs: Sequence[Pair], *, query: bytes, address: str, memory: dict[str, Any] | None = None
    ) -> Principal | None:
        key = dict(pairs).get(b"x-api-key", b"")
        return None if key in ASKED_ABOUT else CALLERS.get(key)

    async def admit(self, pairs: Sequence[Pair], *, query: bytes, address: str) -> Principal:
        await asyncio.sleep(0)
        found = CALLERS.get(dict(pairs).get(b"x-api-key", b""))
        if found is None:
            raise Unauthenticated("a credential is needed")
        return found


class Loopback:
    """Every name leads to this machine; every question is noted."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, str, str]] = []

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        self.asked.append((host, port, scheme, site_id))
        return ("127.0.0.1",)


@dataclass
class Heard:
    """A request as an upstream saw it."""

    head: bytes
    body: bytes = b""

    def lines(self, name: str) -> list[str]:
        """The values of a header."""
        wanted = name.lower().encode() + b":"
        lines = self.head.split(b"\r\n")[1:]
        return [line[len(wanted) :].strip().decode() for line in lines if line.lower().startswith(wanted)]


@dataclass
class Peer:
    """One accepted connection of an upstream."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    owner: ScriptedUpstream

    async def request(self) -> Heard:
        """The next request, with its whole body."""
        heard = await self.head()
        heard.body = await self.body(heard)
        return heard

    async def head(self) -> Heard:
        heard = Heard(await self.reader.readuntil(b"\r\n\r\n"))
        self.owner.heard.append(heard)
        self.owner.news.set()
        return heard

    async def body(self, heard: Heard) -> bytes:
        if length := heard.lines("content-length"):
            return await self.reader.readexactly(int(length[0]))
        body = b""
        if heard.lines("transfer-encoding"):
            while size := int((await self.reader.readuntil(b"\r\n")).strip(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        return body

    async def say(self, piece: bytes) -> None:
        self.writer.write(piece)
        await self.writer.drain()

    async def answer(self, body: bytes = b"ok", *, status: str = "200 OK", lines: bytes = b"") -> None:
        await self.say(b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status.encode(), lines, len(body), body))

    async def until_gone(self) -> None:
        """Until the other side has closed."""
        with suppress(OSError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Peer], Awaitable[None]]


async def echo(peer: Peer) -> None:
    """Answers every request with its body."""
    while True:
        heard = await peer.request()
        await peer.answer(heard.body or b"ok")


@dataclass
class ScriptedUpstream:
    """A server whose connections run a script. `connections` counts them, `heard` are all requests."""

    script: Script
    port: int = 0
    connections: int = 0
    heard: list[Heard] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    _serving: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            with suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
                await self.script(Peer(reader, writer, self))
            writer.close()
        finally:
            self.ended.put_nowait(number)
            await end(writer, at_once=not writer.is_closing())

    async def close(self) -> None:
        """End every script that still runs."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


class Stand:
    """The plane, its address, and what is registered on it."""

    def __init__(self, plane: Plane, pinner: Loopback, turn: Turn) -> None:
        self.plane = plane
        self.pinner = pinner
        self.turn = turn
        self.port = 0
        self._stack = AsyncExitStack()
        self._services: dict[str, Service] = {}

    async def upstream(self, script: Script = echo, **more: Any) -> ScriptedUpstream:
        """Start a scripted server."""
        served = ScriptedUpstream(script)
        server = await asyncio.start_server(served.serve, "127.0.0.1", 0, **more)
        self._stack.push_async_callback(close, server)
        self._stack.push_async_callback(served.close)
        served.port = server.sockets[0].getsockname()[1]
        return served

    def register(self, base_url: str, *routes: Route, name: str = "svc", away: bool = False, **more: Any) -> None:
        """Make a service known, besides those that are."""
        made = routes or (Route(name="all", method="*", path="/{rest:path}"),)
        service = Service(name=name, base_url=base_url, routes=made, **more)
        self._services[name] = service
        lost = frozenset({name}) if away else frozenset[str]()
        self.plane.apply(Snapshot(services=tuple(self._services.values()), away=lost))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        self._stack.push_async_callback(end, writer)
        return reader, writer

    async def ask(self, raw: bytes) -> bytes:
        """Send bytes, read until the gateway closes."""
        reader, writer = await self.connect()
        writer.write(raw)
        return await asyncio.wait_for(reader.read(), WAIT_S)

    async def get(self, path: str = "/x", *, method: str = "GET", key: str = "good", body: bytes = b"") -> Answer:
        """One request on a connection of its own."""
        return Answer(await self.ask(request(path, method=method, key=key, body=body)), is_head=method == "HEAD")

    async def close(self) -> None:
        await self._stack.aclose()

    async def open(self, fronts: Fronts) -> None:
        config, state = uvicorn.Config(application, log_config=None), ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: fronts(config, state, {}), "127.0.0.1", 0)
        self._stack.push_async_callback(close, server)
        self._stack.callback(fronts.cut)
        self.port = server.sockets[0].getsockname()[1]
        await self.plane.start()
        self._stack.push_async_callback(self.plane.stop)


@dataclass
class Answer:
    """An answer, taken apart."""

    raw: bytes
    is_head: bool = False

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        rest = self.raw.partition(b"\r\n\r\n")[2]
        if b"transfer-encoding: chunked" not in self.head or self.is_head:
            return rest
        body = b""
        while True:
            size, _, rest = rest.partition(b"\r\n")
            if not int(size, 16):
                assert rest == b"\r\n"
                return body
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]

    def header(self, name: str) -> str | None:
        heard = Heard(self.head + b"\r\n").lines(name)
        return heard[0] if heard else None


def request(
    path: str = "/x",
    *,
    method: str = "GET",
    key: str = "good",
    body: bytes = b"",
    lines: bytes = b"connection: close\r\n",
) -> bytes:
    """A request as bytes; it asks for the end of its connection unless `lines` say otherwise."""
    length = b"content-length: %d\r\n" % len(body) if body else b""
    start = f"{method} {path} HTTP/1.1\r\nhost: gate.example\r\nx-api-key: {key}\r\n".encode()
    return start + length + lines + b"\r\n" + body


async def application(scope: Any, receive: Any, send: Any) -> None:
    """What answers everything that is not proxied."""
    await send({"type": "http.response.start", "status": 299, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"app"})


async def close(server: asyncio.Server) -> None:
    server.close()


def cut(writer: asyncio.StreamWriter) -> None:
    """Leave with a reset, as a killed caller does."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def end(writer: asyncio.StreamWriter, *, at_once: bool = True) -> None:
    """Close a connection and wait for its end."""
    if at_once:
        writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def standing(settings: ProxySettings | None = None, **more: Any) -> AsyncIterator[Stand]:
    """An open stand."""
    settings = settings or ProxySettings()
    pinner, turn = Loopback(), Turn(period_s=0.02)
    plane = Plane(settings, door=Door(), pinner=more.pop("pinner", pinner), **more)
    stand = Stand(plane, pinner, turn)
    try:
        await stand.open(Fronts(plane, settings, turn=turn))
        yield stand
    finally:
        await stand.close()


def everything(policy: Policy = Policy()) -> Route:  # noqa: B008
    """A route for all methods and paths."""
    return Route(name="all", method="*", path="/{rest:path}", policy=policy)
