"""A whole gateway over memory stores behind its HTTP door, called in process.

`House.ask` speaks ASGI the way a server does: the path arrives decoded beside its raw bytes, the body in pieces,
and `receive` blocks until somebody hangs up. What the door read of the body is counted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec

from taskgate.assembly import Gateway, build
from taskgate.clock import Clock
from taskgate.config import Settings
from taskgate.edge.http.app import HttpDoor, build_http
from taskgate.edge.settings import HttpSettings
from taskgate.fleet.holder import Holder
from taskgate.identity.settings import AuthSettings
from taskgate.runs.task import SHARED, Target, TaskDefinition, TaskLimits
from taskgate.secret import Url
from taskgate.stores.settings import DatabaseSettings
from taskgate.wire.messages import Task, TaskOffer, TaskResult

ECHO = TaskDefinition(
    name="demo.echo",
    description="Gives back what it got.",
    input_schema=msgspec.Raw(b'{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'),
    output_schema=msgspec.Raw(b'{"type":"object"}'),
    examples=[msgspec.Raw(b'{"n":1}')],
    targets=[Target(kind="workers", retries=0)],
)
FREE = TaskDefinition(name="demo.free", targets=[Target(kind="workers", retries=0)], limits=TaskLimits())
Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Reply:
    """An answer; `read_bytes` is how much of the body the door took."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    raw_headers: list[Header] = field(default_factory=list)
    body: bytes = b""
    read_bytes: int = 0

    @property
    def told(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.told.get("code"))


class Line:
    """One request on its way: feeds the body, collects the answer, can hang up."""

    def __init__(self, chunks: Sequence[bytes], *, endless: bool = False) -> None:
        self._endless = endless
        self.reply = Reply()
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.started = asyncio.Event()
        self.gone = asyncio.Event()
        self._chunks = list(chunks) or [b""]

    async def receive(self) -> dict[str, Any]:
        if self._chunks:
            chunk = self._chunks.pop(0)
            self.reply.read_bytes += len(chunk)
            return {"type": "http.request", "body": chunk, "more_body": self._endless or bool(self._chunks)}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.reply.status = message["status"]
            self.reply.raw_headers = list(message["headers"])
            self.reply.headers = {n.decode(): v.decode() for n, v in message["headers"]}
            self.started.set()
            return
        piece = message.get("body", b"")
        self.reply.body += piece
        self.pieces.put_nowait(piece)
        if not message.get("more_body", False):
            self.pieces.put_nowait(None)


class HandSeat:
    """A connected worker played by the test's hand."""

    def __init__(self) -> None:
        self.offers: asyncio.Queue[Task] = asyncio.Queue()
        self.cancelled: list[str] = []
        self.drained = False
        self.closed: int | None = None

    def offer(self, task: Task) -> None:
        self.offers.put_nowait(task)

    def cancel(self, run_id: str, attempt: int, *, reason: str) -> None:
        self.cancelled.append(run_id)

    def drain(self, *, reason: str, reconnect: bool, delay_s: float) -> None:
        self.drained = True

    def close(self, code: int, reason: str) -> None:
        self.closed = code


class House:
    """The gateway, its door, and people who call."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.door: HttpDoor = build_http(gateway)
        self.address = "192.0.2.10"

    async def key(
        self, *scopes: str, site: str = "acme", user: str = "", name: str = "test", expires_at: float | None = None
    ) -> str:
        """A fresh key's text."""
        _, text = await self.gateway.keys.create(
            None, name=name, scopes=scopes, site_id=site, user_id=user, expires_at=expires_at
        )
        return text

    async def define(self, *definitions: TaskDefinition, site: str = SHARED) -> None:
        """Declare tasks as an operator of all sites, or as one of a single site."""
        scopes = ("tasks:write", "serve:*") if site == SHARED else ("tasks:write",)
        text = await self.key(*scopes, site="ops" if site == SHARED else site)
        principal = await self.gateway.keys.authenticate(text)
        for definition in definitions:
            await self.gateway.declarations.declare(principal, definition)

    async def worker(self, *tasks: str, site: str | None = None, worker_id: str = "w1", credit: int = 1000) -> HandSeat:
        """Connect a worker; it gets what is queued from now on."""
        seat = HandSeat()
        now = self.gateway.clock.monotonic()
        holder = Holder(
            worker_id, seat, instance="i1", site_id=site, key_id="k", transport="websocket",
            tasks={task: frozenset({""}) for task in tasks}, labels={}, slots=4, now=now,
        )  # fmt: skip
        holder.credit = credit
        await self.gateway.declarations.offered(site or SHARED, [TaskOffer(name=task) for task in tasks])
        await self.gateway.fleet.join(holder)
        self.gateway.moves.dispatcher.wake()
        return seat

    async def finish(self, task: Task, result: object = None, *, error: str = "") -> None:
        """Report the end of an offer that a seat got."""
        told = TaskResult(
            run_id=task.run_id,
            attempt=task.attempt,
            lease_token=task.lease_token,
            status="error" if error else "ok",
            result=msgspec.Raw(msgspec.json.encode(result)),
            error=error or None,
            retryable=False if error else None,
            error_code="BROKE" if error else "",
        )
        acks = await self.gateway.moves.reports.results([told], None)
        assert acks[0].verdict == "applied"

    async def ask(
        self,
        method: str,
        path: str,
        body: object = b"",
        *,
        key: str = "",
        headers: Iterable[tuple[str, str]] = (),
        chunks: Sequence[bytes] | None = None,
        raw: Iterable[Header] = (),
    ) -> Reply:
        """One call to its end. `body` is bytes, or a value that is sent as JSON; `chunks` come without a length."""
        line, scope = self._dial(method, path, body, key=key, headers=headers, chunks=chunks, raw=raw)
        async with asyncio.timeout(10):
            await self.door(scope, line.receive, line.send)
        return line.reply

    @asynccontextmanager
    async def call(self, method: str, path: str, body: object = b"", **how: Any) -> AsyncIterator[Line]:
        """A call that is still running inside the block; the caller hangs up at its end."""
        line, scope = self._dial(method, path, body, **how)
        running = asyncio.create_task(self.door(scope, line.receive, line.send))
        try:
            yield line
        finally:
            line.gone.set()
            async with asyncio.timeout(10):
                await running

    def _dial(
        self,
        method: str,
        path: str,
        body: object = b"",
        *,
        key: str = "",
        headers: Iterable[tuple[str, str]] = (),
        chunks: Sequence[bytes] | None = None,
        raw: Iterable[Header] = (),
        endless: bool = False,
    ) -> tuple[Line, dict[str, Any]]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        pairs: list[Header] = [(b"host", b"gate.example")]
        pairs += [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        pairs += raw
        if key:
            pairs.append((b"x-api-key", key.encode()))
        if chunks is not None:
            pairs.append((b"transfer-encoding", b"chunked"))
        elif content:
            pairs.append((b"content-length", b"%d" % len(content)))
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw_path),
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": pairs,
            "client": (self.address, 4711),
            "server": ("gate.example", 80),
        }
        return Line(chunks if chunks is not None else [content], endless=endless), scope


@asynccontextmanager
async def open_house(
    *,
    clock: Clock | None = None,
    max_body_bytes: int = 10 << 20,
    cors_origins: tuple[str, ...] = (),
    auth_enabled: bool = True,
    auth: AuthSettings | None = None,
) -> AsyncIterator[House]:
    """A started house; its gateway is stopped at the end."""
    settings = Settings(
        http=HttpSettings(max_body_bytes=max_body_bytes, cors_origins=cors_origins),
        auth=auth or AuthSettings(enabled=auth_enabled),
        database=DatabaseSettings(url=Url("memory:")),
    )
    gateway = build(settings, clock=clock)
    await gateway.start()
    try:
        yield House(gateway)
    finally:
        await gateway.stop()
