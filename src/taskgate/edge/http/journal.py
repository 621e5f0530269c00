"""A run's journal: a page as JSON, or the live stream as `text/event-stream`.

Each entry is one event with its number as `id:`, so a reader that was cut off goes on behind `Last-Event-ID`. The
stream ends behind the `result` entry with `event: end`; a stream that ends without it was cut (a revoked key, a
closing gateway, a reader slower than 30 s) and may be opened again. A comment every 15 s proves it alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from taskgate.edge.http import asking, shapes
from taskgate.edge.http.call import Call
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.live import End, Live
from taskgate.edge.http.patience import in_time
from taskgate.edge.http.problems import Header
from taskgate.edge.http.reading import encoded
from taskgate.edge.http.rendering import entry_shape
from taskgate.errors import NotFound, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.journal.entry import Entry
from taskgate.journal.page import Page
from taskgate.runs.run import Run

COMMENT_S = 15.0
SLOW_READER_S = 30.0
PAGE = 200
MAX_PAGE = 1000
MAX_SEQ = 10**15 - 1
STREAM_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)


class JournalEndpoint:
    """`GET /v1/runs/{id}/journal`."""

    def __init__(self, doors: Doors, live: Live, *, comment_s: float = COMMENT_S) -> None:
        self._doors = doors
        self._live = live
        self._comment_s = comment_s

    async def read(self, call: Call, run_id: str) -> None:
        """A page behind `?after=`, or the stream when the caller accepts events."""
        principal = asking.caller_of(call)
        run = await in_time(self._run(principal, run_id))
        query = asking.query_of(call, "after", "limit")
        after = asking.number_of(query.get("after", "0"), "after", low=0, high=MAX_SEQ)
        last_id = call.headers.get(b"last-event-id")
        if last_id:
            after = asking.number_of(last_id.decode("latin-1"), "Last-Event-ID", low=0, high=MAX_SEQ)
        if asking.accepts_events(call.headers.get(b"accept")) and not call.is_head:
            await self._stream(call, principal, run.id, after)
            return
        limit = asking.number_of(query.get("limit", str(PAGE)), "limit", low=1, high=MAX_PAGE)
        entries = await in_time(self._doors.run_journal.read(run.id, after, limit=limit))
        ended = any(entry.kind == "result" for entry in entries) or (not entries and not run.is_open)
        page = shapes.JournalShape(
            entries=[entry_shape(entry) for entry in entries],
            last_seq=entries[-1].seq if entries else after,
            ended=ended,
        )
        await call.answer(200, encoded(page))

    async def _run(self, principal: Principal, run_id: str) -> Run:
        try:
            run = await self._doors.desk.get(principal, run_id)
        except NotFound:
            await self._doors.past.history.get(principal, run_id)
        else:
            if run.ended_at is None or not self._doors.run_journal.has_gone(run.ended_at):
                return run
        raise NotFound("the journal of this run has been deleted", code="JOURNAL_GONE")

    async def _stream(self, call: Call, principal: Principal, run_id: str, after: int) -> None:
        entries = self._doors.run_journal.follow(run_id, after)
        await call.start(200, list(STREAM_HEADERS))
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        async with self._live.watch(call) as end:
            step = asyncio.create_task(_next(entries))
            try:
                while not end.done():
                    waits: set[asyncio.Future[Any]] = {step, end}
                    await asyncio.wait(waits, timeout=self._comment_s, return_when=asyncio.FIRST_COMPLETED)
                    if end.done() or loop.time() - asked_at >= self._comment_s:
                        asked_at = loop.time()
                        if end.done() or not await self._may_go_on(principal):
                            break
                    if not step.done():
                        await _send(call, b":\n\n")
                        continue
                    batch = step.result()
                    if batch is None:
                        await _send(call, await self._last_event(principal, run_id, after))
                        break
                    after = batch[-1].seq if batch else after
                    await _send(call, events_of(batch))
                    step = asyncio.create_task(_next(entries))
            except TimeoutError:
                return  # the reader stood still: uvicorn cuts a connection whose answer was not finished
            finally:
                step.cancel()
                await asyncio.wait({step})
                await _close(entries)
            if not end.done() or end.result() is not End.GONE:
                await _send(call, b"", is_last=True)

    async def _may_go_on(self, principal: Principal) -> bool:
        """Whether the key that opened this stream still holds, asked as often as a comment is due."""
        try:
            return not principal.id or await self._doors.keys.standing.holds(principal)
        except TaskgateError:
            return False

    async def _last_event(self, principal: Principal, run_id: str, last_seq: int) -> bytes:
        try:
            status = (await self._doors.desk.get(principal, run_id)).status.value
        except NotFound:
            status = ""
        told = msgspec.json.encode({"status": status, "last_seq": last_seq})
        return b"event: end\ndata: " + told + b"\n\n"


def event_of(entry: Entry) -> bytes:
    """One entry as one event."""
    head = f"id: {entry.seq}\nevent: {entry.kind}\ndata: ".encode("ascii")
    return head + encoded(entry_shape(entry)) + b"\n\n"


def events_of(entries: list[Entry]) -> bytes:
    """Entries as events; a page that many follow is encoded once for all of them."""
    return entries.rendered(event_of) if isinstance(entries, Page) else b"".join(map(event_of, entries))


async def _next(entries: AsyncIterator[list[Entry]]) -> list[Entry] | None:
    return await anext(entries, None)


async def _close(entries: AsyncIterator[list[Entry]]) -> None:
    aclose = getattr(entries, "aclose", None)
    if aclose is not None:
        await aclose()


async def _send(call: Call, chunk: bytes, *, is_last: bool = False) -> None:
    async with asyncio.timeout(SLOW_READER_S):
        await call.send({"type": "http.response.body", "body": chunk, "more_body": not is_last})
