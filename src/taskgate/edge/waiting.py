"""The door of a gateway that is not there yet: its database is away, or being made ready.

The port is open and says so: `/health` and `/health/live` answer 200, for the process is well and nothing is won by
killing it; `/health/ready` and everything else 503 with `Retry-After`. Nobody is let in, nothing is looked up and
nothing is told of what is missing: who asks may be a stranger. Every answer ends its connection, so that the next
request comes to the gateway itself.
"""

from __future__ import annotations

from taskgate.edge.http.call import Call, Receive, Scope, Send
from taskgate.edge.http.health import SERVICE
from taskgate.edge.http.reading import encoded
from taskgate.edge.http.shapes import HealthShape
from taskgate.edge.ws.workers import deny
from taskgate.errors import Unavailable

RETRY_S = 2.0
ALIVE = frozenset({"/health", "/health/live"})


class WaitingDoor:
    """An ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _answer(Call(scope, receive, send))
        elif scope["type"] == "websocket":
            await receive()
            await deny(scope, send, error=_starting())


async def _answer(call: Call) -> None:
    call.extra_headers.append((b"connection", b"close"))
    if call.method == "GET" and call.path in ALIVE:
        await call.answer(200, encoded(HealthShape(status="ok", service=SERVICE)))
    elif call.method == "GET" and call.path == "/health/ready":
        body = encoded(HealthShape(status="unavailable", service=SERVICE))
        await call.answer(503, body, headers=[(b"retry-after", b"%d" % RETRY_S)])
    else:
        await call.fail(_starting())


def _starting() -> Unavailable:
    detail = "this gateway is starting and waits for what it stands on"
    return Unavailable(detail, code="STARTING", retry_after_s=RETRY_S)
