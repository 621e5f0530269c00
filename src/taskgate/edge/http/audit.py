"""The audit log at the door: a page, where it begins and ends, and all of it as lines that can be verified.

A line of the export holds the entry as it was hashed, byte for byte; whoever has the lines needs nothing else to
follow the chain. Only an administrator reads them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from taskgate.audit.entry import Entry
from taskgate.audit.ports import AuditFilter
from taskgate.edge.http import asking, past_shapes
from taskgate.edge.http.call import Call
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.history import MAX_PAGE, PAGE, moment_in, stream_lines
from taskgate.edge.http.live import Live
from taskgate.edge.http.reading import encoded
from taskgate.edge.http.rendering import moment
from taskgate.errors import InvalidInput
from taskgate.identity.principal import Principal

FILTERS = ("action", "outcome", "actor", "subject", "from", "to")
MAX_SEQ = 10**15 - 1
MAX_TEXT = 400
EXPORT_PAGE = 500


class AuditEndpoints:
    """Reading the audit log."""

    def __init__(self, doors: Doors, live: Live) -> None:
        self._doors = doors
        self._live = live

    async def find(self, call: Call, _: str) -> None:
        """`GET /gateway/audit`."""
        principal = _administrator(call)
        query = asking.query_of(call, *FILTERS, "limit", "cursor")
        for name in FILTERS:
            if len(query.get(name, "")) > MAX_TEXT or "\x00" in query.get(name, ""):
                raise InvalidInput(f"nothing is called so: {name}", extra={"parameter": name})
        limit = asking.number_of(query.get("limit", str(PAGE)), "limit", low=1, high=MAX_PAGE)
        wanted = AuditFilter(
            action=query.get("action", ""),
            outcome=query.get("outcome", ""),
            actor_id=query.get("actor", ""),
            subject=query.get("subject", ""),
            at_from=moment_in(query, "from"),
            at_before=moment_in(query, "to"),
            limit=limit,
            cursor=asking.number_of(query.get("cursor") or "0", "cursor", low=0, high=MAX_SEQ),
        )
        entries = await self._doors.past.reading.find(principal, wanted)
        cursor = str(entries[-1].seq) if len(entries) == limit else ""
        shape = past_shapes.AuditPageShape(entries=[_shape(entry) for entry in entries], cursor=cursor)
        await call.answer(200, encoded(shape))

    async def ends(self, call: Call, _: str) -> None:
        """`GET /gateway/audit/ends`."""
        asking.query_of(call)
        ends = await self._doors.past.reading.ends(_administrator(call))
        links = [past_shapes.AuditLinkShape(seq=link.seq, hash=link.hash) for link in (ends.checkpoint, ends.head)]
        await call.answer(200, encoded(past_shapes.AuditEndsShape(checkpoint=links[0], head=links[1])))

    async def export(self, call: Call, _: str) -> None:
        """`GET /gateway/audit/export`."""
        principal = _administrator(call)
        after = asking.number_of(asking.query_of(call, "after").get("after", "0"), "after", low=0, high=MAX_SEQ)
        await stream_lines(call, self._lines(principal, after), live=self._live)

    async def _lines(self, principal: Principal, after: int) -> AsyncIterator[bytes]:
        while entries := await self._doors.past.reading.chain(principal, after, limit=EXPORT_PAGE):
            yield b"".join(_line(entry) for entry in entries)
            after = entries[-1].seq


def _administrator(call: Call) -> Principal:
    principal = asking.caller_of(call)
    principal.require("admin")
    return principal


def _line(entry: Entry) -> bytes:
    return b'{"seq":%d,"hash":"%b","entry":%b}\n' % (entry.seq, entry.hash.encode("ascii"), entry.content)


def _shape(entry: Entry) -> past_shapes.AuditEntryShape:
    deed = entry.deed
    return past_shapes.AuditEntryShape(
        seq=entry.seq,
        at=moment(deed.at),
        action=deed.action,
        outcome=deed.outcome,
        actor=past_shapes.ActorShape(**msgspec.structs.asdict(deed.actor)),
        subject=deed.subject,
        request_id=deed.request_id,
        detail=deed.detail,
        hash=entry.hash,
    )
