"""One HTTP request on its way through the door: who calls, its body, its one answer.

The body is read only when somebody asks for it, never beyond the limit, and never slower than a body may come.
Every answer gets the same protective headers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from taskgate.edge.http.problems import PROBLEM_JSON, Header, encode_problem
from taskgate.errors import Malformed, TaskgateError, TooLarge
from taskgate.identity.principal import Principal
from taskgate.trace import about, request_id_of, trace_id_of, traceparent_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"
BODY_IDLE_S = 30.0
DRAINED_BYTES = 64 << 10
ONCE = frozenset({b"idempotency-key", b"content-length", b"host", b"last-event-id"})
GUARDS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


class CallerGone(Exception):
    """The connection ended before there was anything to answer."""


class Call:
    """A request and its answer. Made per request, before anything is known about the caller."""

    __slots__ = (
        "_receive", "_send", "body_seen", "extra_headers", "headers", "is_head", "method", "path", "principal", "query",
        "request_id", "scope", "started", "status", "traceparent",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self.is_head = scope["method"] == "HEAD"  # answered like GET; the server leaves the body out
        self.method: str = "GET" if self.is_head else scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.traceparent = traceparent_of(self.headers.get(b"traceparent"))
        self.request_id = request_id_of(self.headers.get(b"x-request-id"), self.traceparent)
        self.principal: Principal | None = None
        self.extra_headers: list[Header] = []
        self.body_seen = False
        self.started = False
        self.status = 0

    @property
    def trace_id(self) -> str:
        """The trace that this request belongs to."""
        return trace_id_of(self.traceparent)

    def refuse_twins(self) -> None:
        """Raise Malformed when a header that means one thing was sent with two values."""
        pairs = self.scope["headers"]
        if len(self.headers) == len(pairs):
            return
        for name, value in pairs:
            if name in ONCE and self.headers[name] != value:
                raise Malformed(f"the header {name.decode('ascii')} was sent twice", code="HEADER_TWICE")

    async def body(self, limit: int) -> bytes:
        """The whole body. TooLarge above `limit` bytes (nothing more is read then), Malformed when it stalls."""
        self._check_declared(limit)
        self.body_seen = True
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._next_piece()
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                self.body_seen = False
                raise _too_large(limit)
            if not message.get("more_body", False):
                return chunk if not chunks else b"".join((*chunks, chunk))
            chunks.append(chunk)

    async def _next_piece(self) -> MutableMapping[str, Any]:
        """The next piece of the body. A bare timer: `asyncio.timeout` costs more than the rest of a short read."""
        stall = _Stall(asyncio.current_task())
        timer = asyncio.get_running_loop().call_later(BODY_IDLE_S, stall)
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if not stall.is_over or stall.reader is None or stall.reader.uncancel() > 0:
                raise
            self.body_seen = False
            raise Malformed(f"the body stood still for {BODY_IDLE_S:.0f} s", code="BODY_TOO_SLOW") from None
        finally:
            timer.cancel()
        if message["type"] == "http.disconnect":
            raise CallerGone
        return message

    async def gone(self) -> None:
        """Return when the caller has hung up; only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def answer(
        self,
        status: int,
        body: bytes,
        *,
        media: bytes = JSON,
        headers: Sequence[Header] = (),
        guards: Sequence[Header] = GUARDS,
    ) -> None:
        """Send the one answer."""
        length = b"%d" % len(body)
        await self.start(status, [(b"content-type", media), (b"content-length", length), *guards, *headers])
        await self.send({"type": "http.response.body", "body": body})

    async def start(self, status: int, headers: list[Header]) -> None:
        """Send status and headers; ids, and the end of a connection whose body was not read, are added."""
        headers.append((b"x-request-id", self.request_id))
        headers.extend(self.extra_headers)
        if not self.body_seen and self._has_much_body():
            headers.append((b"connection", b"close"))
        self.started = True
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send one more part of a started answer; waits while the caller reads too slowly."""
        await self._send(message)

    async def fail(self, error: TaskgateError) -> None:
        """Answer with the error's problem document."""
        status, body, headers = encode_problem(error, instance=self.path, trace_id=self.trace_id)
        await self.answer(status, body, media=PROBLEM_JSON, headers=headers)

    def _check_declared(self, limit: int) -> None:
        declared = self.headers.get(b"content-length")
        if declared is None:
            return
        if not declared.isdigit() or len(declared) > 18:
            raise Malformed("Content-Length is not a number")
        if int(declared) > limit:
            raise _too_large(limit)

    def _has_much_body(self) -> bool:
        declared = self.headers.get(b"content-length")
        if declared is None:
            return b"transfer-encoding" in self.headers
        return not declared.isdigit() or len(declared) > 18 or int(declared) > DRAINED_BYTES


def name_lines(call: Call) -> None:
    """From here on log lines of this task carry the names of this request."""
    about.set({"request_id": call.request_id.decode("ascii"), "trace_id": call.trace_id})


class _Stall:
    """Ends a read that has waited too long."""

    __slots__ = ("is_over", "reader")

    def __init__(self, reader: asyncio.Task[Any] | None) -> None:
        self.reader = reader
        self.is_over = False

    def __call__(self) -> None:
        if self.reader is not None:
            self.is_over = True
            self.reader.cancel()


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes", extra={"limit_bytes": limit})
