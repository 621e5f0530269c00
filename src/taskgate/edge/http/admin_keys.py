"""Administrative endpoints of identity: API keys and one-use tickets.

A key's text leaves in the answer that makes it, and never again.
"""

from __future__ import annotations

import re

from fastapi import FastAPI, Request, Response

from taskgate.edge.http import shapes
from taskgate.edge.http.admin import add, allowed, answer, call_of
from taskgate.edge.http.bodies import KeyBody, RotateBody
from taskgate.edge.http.described import Gives
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.reading import decoded
from taskgate.edge.http.rendering import epoch, key_shape, moment, new_key_shape
from taskgate.errors import NotFound

TAG = "Keys"
_KEY_ID = re.compile(r"[a-z0-9]{12}")


class KeyRoutes:
    """Keys for administrators, tickets for everybody with a key."""

    def __init__(self, doors: Doors, *, max_body_bytes: int) -> None:
        self._doors = doors
        self._max_body_bytes = max_body_bytes

    def add_to(self, app: FastAPI) -> None:
        """Serve them."""
        made: dict[int, Gives] = {201: shapes.NewKeyShape}
        add(app, "GET /v1/keys", endpoint=self._all, summary="List keys", tag=TAG,
            operation_id="listKeys", scope="admin", gives={200: shapes.KeysShape})  # fmt: skip
        add(app, "POST /v1/keys", endpoint=self._create, summary="Make a key", tag=TAG,
            operation_id="createKey", scope="admin", takes=KeyBody, gives=made,
            description="The answer is the only place where the key is ever shown.")  # fmt: skip
        add(app, "DELETE /v1/keys/{key_id}", endpoint=self._revoke, summary="Revoke a key", tag=TAG,
            operation_id="revokeKey", scope="admin", gives={204: "It is refused from now on."},
            description="At once: its live connections end too.")  # fmt: skip
        add(app, "POST /v1/keys/{key_id}/rotate", endpoint=self._rotate, summary="Rotate a key", tag=TAG,
            operation_id="rotateKey", scope="admin", takes=RotateBody, gives=made,
            description="A new key with the same rights; the old one works for `overlap_s` more.")  # fmt: skip
        add(app, "POST /v1/tickets", endpoint=self._ticket, summary="Get a ticket for a WebSocket", tag=TAG,
            operation_id="createTicket", scope="", gives={201: shapes.TicketShape},
            description="For browsers, which cannot send a key: `?ticket=` works once, for 30 seconds.")  # fmt: skip

    async def _all(self, request: Request) -> Response:
        records = await self._doors.keys.all(allowed(request, "admin"))
        return answer(shapes.KeysShape(keys=[key_shape(record) for record in records]))

    async def _create(self, request: Request) -> Response:
        principal = allowed(request, "admin")
        body = decoded(await call_of(request).body(self._max_body_bytes), KeyBody)
        record, text = await self._doors.keys.create(
            principal,
            name=body.name,
            scopes=body.scopes,
            kind=body.kind,
            site_id=body.site_id,
            user_id=body.user_id,
            app_id=body.app_id,
            prefixes=body.prefixes,
            worker_id=body.worker_id,
            expires_at=epoch(body.expires_at),
        )
        return answer(new_key_shape(record, text), 201, location=f"/v1/keys/{record.id}")

    async def _revoke(self, request: Request, key_id: str) -> Response:
        principal = allowed(request, "admin")
        await self._doors.keys.revoke(principal, _checked(key_id))
        return Response(status_code=204)

    async def _rotate(self, request: Request, key_id: str) -> Response:
        principal = allowed(request, "admin")
        body = await call_of(request).body(self._max_body_bytes)
        asked = decoded(body, RotateBody) if body else RotateBody()
        record, text = await self._doors.keys.rotate(principal, _checked(key_id), overlap_s=asked.overlap_s)
        return answer(new_key_shape(record, text), 201)

    async def _ticket(self, request: Request) -> Response:
        ticket, expires_at = await self._doors.keys.tickets.issue(allowed(request, ""))
        return answer(shapes.TicketShape(ticket=ticket, expires_at=moment(expires_at)), 201)


def _checked(key_id: str) -> str:
    if _KEY_ID.fullmatch(key_id) is None:
        raise NotFound("no such key", code="UNKNOWN_KEY")
    return key_id
