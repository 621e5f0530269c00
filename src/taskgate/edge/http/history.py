"""Ended runs of long ago: a page of them, or all of them as a stream of lines.

    GET /gateway/history           a page as JSON, newest end first
    GET /gateway/history/export    whole runs, one JSON object a line, each with the `cursor` behind which to go on

A stream is read from the archive as fast as its reader takes it. One that ends without the last chunk was cut (the
archive, a credential that ended, a closing gateway, a reader slower than 30 s) and goes on behind the cursor of its
last line.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from taskgate.edge.http import asking, shapes
from taskgate.edge.http.call import GUARDS, Call
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.live import Live
from taskgate.edge.http.patience import in_time
from taskgate.edge.http.reading import encoded
from taskgate.edge.http.rendering import run_shape, run_summary
from taskgate.errors import InvalidInput
from taskgate.history.ports import HistoryFilter, Place
from taskgate.history.reading import place_of
from taskgate.ids import is_id
from taskgate.runs.run import ENDED, Run, Status

NDJSON = b"application/x-ndjson"
MAX_PAGE = 200
PAGE = 50
SLOW_READER_S = 30.0
MAX_TEXT = 400
FILTERS = ("task", "status", "from", "to", "label", "holder", "id", "cursor")
_CURSOR = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)_([0-9a-f-]{36})")
_ID = re.compile(r"[0-9a-f-]{1,36}")


class HistoryEndpoints:
    """Pages of history and its export."""

    def __init__(self, doors: Doors, live: Live) -> None:
        self._doors = doors
        self._live = live

    async def find(self, call: Call, _: str) -> None:
        """`GET /gateway/history`."""
        principal = asking.caller_of(call)
        principal.require("read")
        query = asking.query_of(call, *FILTERS, "limit")
        limit = asking.number_of(query.get("limit", str(PAGE)), "limit", low=1, high=MAX_PAGE)
        wanted = filter_of(query, site_id=principal.site_id, limit=limit)
        runs = await in_time(self._doors.past.history.find(principal, wanted))
        cursor = cursor_of(runs[-1]) if len(runs) == limit else ""
        await call.answer(200, encoded(shapes.RunsShape(runs=[run_summary(run) for run in runs], cursor=cursor)))

    async def export(self, call: Call, _: str) -> None:
        """`GET /gateway/history/export`."""
        principal = asking.caller_of(call)
        principal.require("read")
        wanted = filter_of(asking.query_of(call, *FILTERS), site_id=principal.site_id, limit=PAGE)
        pages = self._doors.past.history.export(principal, wanted)
        await stream_lines(call, (lines_of(page) async for page in pages), live=self._live)


async def stream_lines(call: Call, pages: AsyncIterator[bytes], *, live: Live) -> None:
    """Answer with pages of lines, each made when the one before was taken; nothing after the caller may not go on."""
    page = b"" if call.is_head else await anext(pages, b"")  # what fails before the first line is told as a problem
    await call.start(200, [(b"content-type", NDJSON), *GUARDS])
    call.body_seen = True
    async with live.watch(call, is_long=True) as end:
        try:
            while page and not end.done():
                async with asyncio.timeout(SLOW_READER_S):
                    await call.send({"type": "http.response.body", "body": page, "more_body": True})
                await asyncio.sleep(0)  # whatever else this gateway has to do comes between two pages
                page = await anext(pages, b"")
        except TimeoutError:
            return
        if not end.done():
            await call.send({"type": "http.response.body", "body": b"", "more_body": False})


def lines_of(runs: list[Run]) -> bytes:
    """Whole runs, one a line; never empty for runs."""
    return b"".join(_line(run) for run in runs)


def _line(run: Run) -> bytes:
    told = encoded(run_shape(run))
    return b'%b,"cursor":"%b"}\n' % (told[:-1], cursor_of(run).encode("ascii"))


def cursor_of(run: Run) -> str:
    """Where history goes on behind this run."""
    place = place_of(run)
    return f"{place.ended_at!r}_{place.run_id}"


def filter_of(query: dict[str, str], *, site_id: str, limit: int) -> HistoryFilter:
    """What a query asks for; InvalidInput, naming the parameter, for what nobody could mean."""
    for name, text in query.items():
        if len(text) > MAX_TEXT:
            raise InvalidInput(f"{name} is too long", extra={"parameter": name})
    status, prefix = query.get("status", ""), query.get("id", "")
    name, equals, value = query.get("label", "").partition("=")
    if (name or equals) and not (name and equals):
        raise InvalidInput("a label is asked for as name=value", extra={"parameter": "label"})
    if status and status not in {end.value for end in ENDED}:
        raise InvalidInput("a run in history has one of the four ends", extra={"parameter": "status"})
    if prefix and _ID.fullmatch(prefix) is None:
        raise InvalidInput("id is the beginning of a run's id", extra={"parameter": "id"})
    return HistoryFilter(
        site_id=site_id,
        task=query.get("task", ""),
        status=Status(status) if status else None,
        ended_from=moment_in(query, "from"),
        ended_before=moment_in(query, "to"),
        label=(name, value) if name else None,
        holder=query.get("holder", ""),
        id_prefix=prefix,
        limit=limit,
        cursor=_place(query.get("cursor", "")),
    )


def moment_in(query: dict[str, str], name: str) -> float | None:
    """A moment in RFC 3339, in UTC where no offset is told, as epoch seconds; None when it is not asked for."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidInput(f"{name} is a moment like 2026-01-31T12:00:00Z", extra={"parameter": name}) from None


def _place(text: str) -> Place | None:
    if not text:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None or not is_id(found[2]):
        raise InvalidInput("this cursor was not given by us", extra={"parameter": "cursor"})
    return Place(float(found[1]), found[2])
