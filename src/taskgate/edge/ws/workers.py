"""`WS /ws/workers/{id}`: JSON text frames between a worker and its session.

The credential is checked before the upgrade, so a caller without one gets a real 401 (INV-A4). Everything that is
to be said when the socket is free goes out as one frame (an array) to a versioned worker, one message per frame to
a simple client. Heartbeats are answered in the turn of the loop that reads them, where the server offers that
(`taskgate.at_once`): thousands of idle workers say little else. A worker that does not read for 30 s is closed with
1013: its leases live on.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from taskgate.edge.gate import Gate
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.edge.workers.serving import serve
from taskgate.edge.workers.session import WorkerSession
from taskgate.errors import NotFound, RemoteLinkError, TaskgateError, Unauthenticated
from taskgate.identity.principal import Principal
from taskgate.ids import is_worker_id
from taskgate.status import row_of
from taskgate.wire.json_codec import decode_worker_frame, encode_frames
from taskgate.wire.messages import GatewayMessage, Heartbeat, WorkerMessage

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

AT_ONCE = "taskgate.at_once"

_PATH = re.compile(r"/(?:api/v1/)?ws/workers/([^/]+)")


class WorkerSocket:
    """The ASGI application of this path; `fits` says whether a path is its."""

    def __init__(self, rooms: WorkerRooms, gate: Gate) -> None:
        self._rooms = rooms
        self._gate = gate

    def fits(self, path: str) -> bool:
        """Whether this socket serves the path."""
        return _PATH.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            worker_id, principal = await self._admit(scope)
        except TaskgateError as error:
            await deny(scope, send, error=error)
            return
        await send({"type": "websocket.accept"})
        session = WorkerSession(self._rooms, principal, worker_id=worker_id, transport="websocket")
        at_once = scope.get("extensions", {}).get(AT_ONCE)
        if at_once:
            at_once["answer"](_Beats(session, self._rooms.link.max_frame_bytes))
        await self._talk(receive, send, session)

    async def _admit(self, scope: Scope) -> tuple[str, Principal]:
        query = scope.get("query_string", b"")
        client = scope.get("client")
        principal = await self._gate.admit(scope["headers"], query=query, address=client[0] if client else "")
        principal.require("worker")
        found = _PATH.fullmatch(scope["path"])
        worker_id = found[1] if found else ""  # the server has decoded the path, once
        if not is_worker_id(worker_id):
            raise NotFound("a worker id is 1-128 characters of A-Za-z0-9_.:@-", code="BAD_WORKER_ID")
        return worker_id, principal

    async def _talk(self, receive: Receive, send: Send, session: WorkerSession) -> None:
        limit = self._rooms.link.max_frame_bytes

        async def read() -> list[WorkerMessage] | None:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return None
            text: str | None = message.get("text")
            return decode_worker_frame(message.get("bytes") or b"" if text is None else text, max_bytes=limit)

        async def write(messages: Sequence[GatewayMessage]) -> None:
            for frame in encode_frames(messages, single=session.simple, max_bytes=limit):
                await send({"type": "websocket.send", "text": frame.decode()})

        code, reason = await serve(session, read=read, write=write)
        with contextlib.suppress(OSError):
            await send({"type": "websocket.close", "code": code, "reason": reason[:120]})


class _Beats:
    """Answers heartbeats, which are most of what an idle fleet says, and leaves everything else to the session."""

    __slots__ = ("_limit", "_session")

    def __init__(self, session: WorkerSession, limit: int) -> None:
        self._session = session
        self._limit = limit

    def __call__(self, text: bytes) -> list[bytes] | None:
        if b'"heartbeat"' not in text:
            return None
        try:
            messages = decode_worker_frame(text, max_bytes=self._limit)
        except RemoteLinkError:
            return None
        if len(messages) != 1 or type(messages[0]) is not Heartbeat:
            return None
        said = self._session.answer(messages)
        return None if said is None else encode_frames(said, single=self._session.simple, max_bytes=self._limit)


async def deny(scope: Scope, send: Send, *, error: TaskgateError) -> None:
    """Answer the upgrade with a real status where the server can, else close."""
    row = row_of(error)
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": row.close, "reason": error.code})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "websocket.http.response.start", "status": row.http, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": str(error).encode()})
