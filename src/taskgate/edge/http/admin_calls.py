"""Recorded calls of routes that say `record`: list them, read one.

A caller sees calls of its own site, a key bound to a user that user's; only an operator sees those of all sites. Where
an upstream stands is told to those alone who may register services. Every credential was masked before it was kept.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from msgspec.structs import asdict, replace
from pydantic import BaseModel, ConfigDict, Field

from taskgate.edge.http.admin import add, allowed, answer, call_of
from taskgate.edge.http.call_shapes import CallAttemptShape, CallShape, CallsShape, CallSummary, PassageShape
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.rendering import moment
from taskgate.errors import InvalidInput, NotFound
from taskgate.identity.principal import Principal
from taskgate.ids import is_id
from taskgate.routes.records import CallAttempt, CallFilter, CallRecord, Passage

TAG = "Calls"
_STATUS = re.compile(r"0|[1-5](?:xx|[0-9]{2})")


class CallsQuery(BaseModel):
    """Which calls are wanted."""

    model_config = ConfigDict(extra="forbid")

    service: Annotated[str, Field(max_length=128)] = ""
    route: Annotated[str, Field(max_length=256)] = ""
    status: Annotated[str, Field(max_length=3, description="`503`, `5xx`, or `0` for no answer")] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=36, description="`cursor` of the page before.")] = ""


class CallRoutes:
    """Looking at recorded calls."""

    def __init__(self, doors: Doors, *, max_body_bytes: int) -> None:
        self._doors = doors
        self._max_body_bytes = max_body_bytes

    def add_to(self, app: FastAPI) -> None:
        """Serve them."""
        add(app, "GET /gateway/calls", endpoint=self._find, summary="List recorded calls", tag=TAG,
            operation_id="listCalls", scope="read", gives={200: CallsShape},
            description="Calls of routes whose policy says `record: failures` or `all`, newest first.")  # fmt: skip
        add(app, "GET /gateway/calls/{request_id}", endpoint=self._read, summary="Read a recorded call", tag=TAG,
            operation_id="readCall", scope="read", gives={200: CallShape},
            description="By its id, or by its `X-Request-Id`: the newest with that one.")  # fmt: skip

    async def _find(self, request: Request, query: Annotated[CallsQuery, Query()]) -> Response:
        principal = allowed(request, "read")
        if query.cursor and not is_id(query.cursor):
            raise InvalidInput("this cursor was not given by us", extra={"parameter": "cursor"})
        if query.status and _STATUS.fullmatch(query.status) is None:
            raise InvalidInput("a status is a number, or like 5xx", extra={"parameter": "status"})
        is_class = query.status.endswith("xx")
        wanted = CallFilter(
            site_id=_site(request, principal),
            user_id=principal.user_id,
            service=query.service,
            route=query.route,
            status=int(query.status) if query.status and not is_class else None,
            status_class=int(query.status[0]) if is_class else None,
            limit=query.limit,
            cursor=query.cursor,
        )
        records = await self._doors.calls.find(wanted)
        cursor = records[-1].id if len(records) == query.limit else ""
        return answer(CallsShape(calls=[CallSummary(**_summary(record)) for record in records], cursor=cursor))

    async def _read(self, request: Request, request_id: str) -> Response:
        principal = allowed(request, "read")
        wanted = CallFilter(
            site_id=_site(request, principal), user_id=principal.user_id, request_id=request_id, limit=1
        )
        found = await self._doors.calls.find(wanted)
        if not found and is_id(request_id):
            found = await self._doors.calls.find(replace(wanted, request_id="", id=request_id))
        if not found:
            raise NotFound("no such call was recorded", code="UNKNOWN_CALL")
        return answer(_call_shape(found[0], shows_addresses=principal.may("register")))


def _site(request: Request, principal: Principal) -> str | None:
    """The site whose calls are shown, None for all."""
    sees_all = principal.may("admin") and b"x-site-id" not in call_of(request).headers
    return None if sees_all else principal.site_id


def _summary(record: CallRecord) -> dict[str, Any]:
    plain = asdict(record)
    del plain["request"], plain["attempts"]
    return {
        **plain,
        "started_at": moment(record.started_at),
        "ended_at": moment(record.ended_at),
        "attempt_count": len(record.attempts),
    }


def _call_shape(record: CallRecord, *, shows_addresses: bool) -> CallShape:
    return CallShape(
        **_summary(record),
        request=_passage(record.request),
        attempts=[_attempt(one, shows_addresses=shows_addresses) for one in record.attempts],
    )


def _attempt(one: CallAttempt, *, shows_addresses: bool) -> CallAttemptShape:
    return CallAttemptShape(
        number=one.number,
        upstream=one.upstream if shows_addresses else "",
        started_at=moment(one.started_at),
        ended_at=moment(one.ended_at),
        status=one.status,
        response=_passage(one.response),
        error=one.error,
        moved_on_because=one.moved_on_because,
    )


def _passage(passage: Passage) -> PassageShape:
    return PassageShape(
        headers=list(passage.headers), body=passage.body, encoding=passage.encoding, body_bytes=passage.body_bytes
    )
