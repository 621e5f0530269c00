"""The HTTP door of a gateway: one ASGI application.

In this order, for every request: is it a request at all (method, path, headers), who calls (before a byte of the
body is read, INV-A4), then the raw endpoint or the administrative application. Every error leaves as a problem
document with a trace id; what nobody expected is logged with that id and told to nobody.
Open to callers without a credential are the paths in `OPEN` and the assets of the page, and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from contextlib import nullcontext
from typing import Any

from fastapi.routing import APIRoute

from taskgate.access import AccessNotes
from taskgate.edge.gate import Gate
from taskgate.edge.http.admin import CALL, build_admin
from taskgate.edge.http.admin_calls import CallRoutes
from taskgate.edge.http.admin_gateways import GatewayRoutes
from taskgate.edge.http.admin_keys import KeyRoutes
from taskgate.edge.http.admin_queues import QueueRoutes
from taskgate.edge.http.admin_runs import RunRoutes
from taskgate.edge.http.admin_services import ServiceRoutes
from taskgate.edge.http.admin_tasks import TaskRoutes
from taskgate.edge.http.admin_tokens import JOIN, KEY_SET, KeySetEndpoint, TokenRoutes
from taskgate.edge.http.audit import AuditEndpoints
from taskgate.edge.http.call import GUARDS, Asgi, Call, CallerGone, Receive, Scope, Send, name_lines
from taskgate.edge.http.cors import Cors
from taskgate.edge.http.document import DocumentEndpoint
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.health import HealthEndpoints
from taskgate.edge.http.history import HistoryEndpoints
from taskgate.edge.http.journal import JournalEndpoint
from taskgate.edge.http.live import Live
from taskgate.edge.http.metrics import MetricsEndpoint
from taskgate.edge.http.noting import NotedCall
from taskgate.edge.http.page import Page
from taskgate.edge.http.paths import RawRoute, RawRoutes, refuse_doubtful
from taskgate.edge.http.patience import Patience
from taskgate.edge.http.run_logs import RunLogEndpoints
from taskgate.edge.http.runs import RunEndpoints
from taskgate.errors import Malformed, TaskgateError, WrongMethod

_log = logging.getLogger(__name__)
PARTS = (RunRoutes, TaskRoutes, ServiceRoutes, CallRoutes, KeyRoutes, TokenRoutes, QueueRoutes, GatewayRoutes)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def build_http(doors: Doors, *, sockets: Asgi | None = None, gate: Gate | None = None) -> HttpDoor:
    """The ASGI application of these doors. WebSocket connections go to `sockets`; `gate` is shared with other doors."""
    own = gate or doors.entrance.gate
    return HttpDoor(doors, own, sockets=sockets)


class HttpDoor:
    """An ASGI application. `close` ends requests that would stay open, so that a server can stop soon."""

    def __init__(self, doors: Doors, gate: Gate, *, sockets: Asgi | None) -> None:
        http = doors.settings.http
        self._gate = gate
        self._cors = Cors(http.cors_origins)
        self._live = Live(doors.bus, doors.keys.standing)
        self._sockets = sockets
        self._access: AccessNotes | None = doors.watch.access
        self._admin = build_admin(doors.past.audit)
        for part in PARTS:
            part(doors, max_body_bytes=http.max_body_bytes).add_to(self._admin)
        key_set = RawRoute("GET", KEY_SET, KeySetEndpoint(doors).read)
        backends = doors.watch.backends
        health = HealthEndpoints(doors.keys, is_leaving=lambda: doors.intake.leaving, backends=backends)
        self._pages = RawRoutes([*Page().routes(), *health.routes(), key_set])
        self._open = frozenset(route.template for route in self._pages.routes)
        document = DocumentEndpoint(doors, self._admin)
        self._raw = RawRoutes(
            [
                *self._pages.routes,
                RawRoute("GET", "/openapi.json", document.read),
                RawRoute("GET", "/postman.json", document.collection),
                *MetricsEndpoint(doors.watch.metrics).routes(),
                *_hot_routes(doors, self._live, max_body_bytes=http.max_body_bytes),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._access is None:
                await self._answer(Call(scope, receive, send), receive)
            else:
                await self._noted(NotedCall(scope, receive, send), receive, access=self._access)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await _lifespan(receive, send)

    def close(self) -> None:
        """End every stream and every wait; later ones end at once."""
        self._live.close()

    def routes(self) -> list[tuple[str, str]]:
        """(method, path template) of everything that is served here."""
        raw = [(route.method, route.template) for route in self._raw.routes]
        admin = [
            (method, route.path)
            for route in self._admin.routes
            if isinstance(route, APIRoute)
            for method in sorted(route.methods or ())
        ]
        return [*raw, *admin]

    @property
    def open_paths(self) -> frozenset[str]:
        """The paths that answer without a credential."""
        return self._open

    async def _answer(self, call: Call, receive: Receive) -> None:
        name_lines(call)
        try:
            await self._serve(call, receive)
        except CallerGone:
            return
        except TaskgateError as error:
            await self._fail(call, error)
        except Exception:
            _log.exception("%s %s failed, trace %s", call.method, ascii(call.path[:200]), call.trace_id)
            if not call.started:
                detail = "something went wrong in the gateway; the trace id finds it in the logs"
                await call.fail(TaskgateError(detail))

    async def _noted(self, call: NotedCall, receive: Receive, *, access: AccessNotes) -> None:
        try:
            await self._answer(call, receive)
        finally:
            call.note(access)

    async def _serve(self, call: Call, receive: Receive) -> None:
        scope = call.scope
        if scope["method"] not in METHODS:
            raise WrongMethod("this method is not served", extra={"allow": ", ".join(sorted(METHODS))})
        refuse_doubtful(scope.get("raw_path") or b"", call.path)
        call.refuse_twins()
        if scope["http_version"] not in ("1.1", "1.0", "2"):
            raise Malformed("this version of HTTP is not spoken here")
        if b"host" not in call.headers and scope["http_version"] == "1.1":
            raise Malformed("the header Host is missing")
        if self._cors.is_on and await self._cors.answered(call):
            return
        client = scope.get("client")
        admit = self._gate.admit_or_none if call.path in self._open else self._gate.admit
        call.principal = await admit(
            scope["headers"],
            query=call.query,
            address=client[0] if client else "",
            may_join=call.path == JOIN,
        )
        found = self._raw.find(call.method, call.path)
        if found is not None:
            serve, variable = found
            await serve(call, variable)
        else:
            await self._administer(call, receive)

    async def _administer(self, call: Call, receive: Receive) -> None:
        """Hand the call to FastAPI; what it answers gets the same protective headers, and a read begins in time."""
        patience = Patience() if call.method == "GET" else None

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                if patience is not None:
                    patience.end()
                await call.start(message["status"], [*message.get("headers", ()), *GUARDS])
            else:
                await call.send(message)

        scope = {**call.scope, "method": call.method, CALL: call}
        async with patience or nullcontext():
            await self._admin(scope, receive, send)

    async def _fail(self, call: Call, error: TaskgateError) -> None:
        if call.started:
            _log.warning("%s %s was cut: %s, trace %s", call.method, ascii(call.path[:200]), error.code, call.trace_id)
            return
        await call.fail(error)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._sockets is not None:
            await self._sockets(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "nothing listens here"})


def _hot_routes(doors: Doors, live: Live, *, max_body_bytes: int) -> list[RawRoute]:
    runs = RunEndpoints(doors, live, max_body_bytes=max_body_bytes)
    history = HistoryEndpoints(doors, live)
    audit = AuditEndpoints(doors, live)
    return [
        RawRoute("GET", "/gateway/history", history.find),
        RawRoute("GET", "/gateway/history/export", history.export),
        RawRoute("GET", "/gateway/audit", audit.find),
        RawRoute("GET", "/gateway/audit/ends", audit.ends),
        RawRoute("GET", "/gateway/audit/export", audit.export),
        RawRoute("POST", "/v1/tasks/{task}/runs", runs.submit),
        RawRoute("POST", "/v1/tasks/{task}/runs/batch", runs.batch),
        RawRoute("GET", "/v1/runs/{run_id}", runs.read),
        RawRoute("POST", "/v1/runs/wait", runs.wait),
        RawRoute("GET", "/v1/runs/{run_id}/journal", JournalEndpoint(doors, live).read),
        *RunLogEndpoints(doors, live).routes(),
    ]


async def _lifespan(receive: Receive, send: Send) -> None:
    """The parts of a gateway have a life of their own; the server's is only agreed to."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
