"""Logs of runs that are uploaded in pieces, for workers and tools that have no link.

    PUT  /v1/runs/{id}/logs/{stream}?offset=N     a piece of at most 1 MiB with its checksum: durable when answered
         …&final=true&total=…&sha256=…            and close the log: the whole is compared with what is stored
    GET  /v1/runs/{id}/logs/{stream}?meta         how far it is (HEAD tells the same in headers)
    GET  /v1/runs/{id}/logs/{stream}              its bytes, whole or one part (`Range`), as far as they are there
    GET  /v1/runs/{id}/logs                       which logs there are

A piece that is cut off, wrong or late leaves nothing. What waits for a store is bounded, and so is what one credential
sends at once: beyond it 429.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

from taskgate.edge.http import asking, log_headers
from taskgate.edge.http.call import GUARDS, Call
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.live import Live
from taskgate.edge.http.paths import RawRoute
from taskgate.edge.http.patience import in_time
from taskgate.edge.http.problems import Header
from taskgate.edge.http.reading import encoded
from taskgate.edge.http.run_log_shapes import RunLogShape, RunLogsShape
from taskgate.errors import InvalidInput, Limited, Malformed, NotFound, TooSlow, Unavailable
from taskgate.journal.pieces import PIECE_BYTES, RunLog

MAX_OFFSET = 10**15 - 1
PIECE_S = 60.0  # a piece has to be here by then, however slowly it comes (S27)
STORE_S = 10.0
AT_ONCE = 16  # pieces of one credential
READ_BYTES = 256 << 10
SLOW_READER_S = 30.0
TEXT = b"text/plain; charset=utf-8"
BINARY = b"application/octet-stream"
TEXTUAL = frozenset({"log", "txt", "out", "err", "md", "csv", "json", "ndjson", "yaml", "xml"})


class RunLogEndpoints:
    """Uploading, looking and reading."""

    def __init__(self, doors: Doors, live: Live, *, piece_s: float = PIECE_S) -> None:
        self._doors = doors
        self._desk = doors.log_desk
        self._live = live
        self._piece_s = piece_s
        self._coming: Counter[str] = Counter()

    def routes(self) -> list[RawRoute]:
        """Everything that is served here."""
        path = "/v1/runs/{run_id}/logs"
        return [
            RawRoute("GET", path, self.find),
            RawRoute("GET", f"{path}/{{stream}}", self.read),
            RawRoute("PUT", f"{path}/{{stream}}", self.write),
        ]

    async def write(self, call: Call, names: str) -> None:
        """Take a piece; 202 while the log is open, 200 when it is closed."""
        principal = asking.caller_of(call)
        principal.require("worker")
        run_id, _, stream = names.partition("/")
        query = asking.query_of(call, "offset", "final", "total", "sha256")
        offset = asking.number_of(query.get("offset", ""), "offset", low=0, high=MAX_OFFSET)
        whole = _whole(query)
        attempt, token = log_headers.lease_of(call)
        writing = await in_time(self._desk.admit(principal, run_id, attempt=attempt, token=token))
        writing.log(stream)
        with self._turn(principal.id):
            with self._doors.unwritten.taken(PIECE_BYTES, yields=True):
                content = await self._piece(call, is_final=whole is not None)
                log, is_new = await _durable(self._desk.write(writing, stream, offset=offset, content=content))
            if whole is not None:
                log = await self._desk.close(writing, stream, total=whole[0], sha256=whole[1])
        told = encoded(_shape(log, repeated=not is_new))
        await call.answer(200 if log.is_closed else 202, told, headers=_facts(log))

    async def find(self, call: Call, run_id: str) -> None:
        """The logs of a run."""
        await in_time(self._seen(call, run_id))
        asking.query_of(call)
        logs = await in_time(self._desk.find(run_id))
        await call.answer(200, encoded(RunLogsShape(logs=[_shape(log) for log in logs])))

    async def read(self, call: Call, names: str) -> None:
        """The bytes of a log, or what is known of it."""
        run_id, _, stream = names.partition("/")
        shown = await in_time(self._seen(call, run_id))
        query = asking.query_of(call, "meta", "attempt")
        attempt = asking.number_of(query.get("attempt", "0"), "attempt", low=0, high=log_headers.MAX_ATTEMPT)
        log = await in_time(self._desk.look(run_id, stream, attempt=attempt or shown))
        if "meta" in query and _flag(query, "meta", empty=True):
            await call.answer(200, encoded(_shape(log)), headers=_facts(log))
            return
        part = log_headers.part_of(call.headers.get(b"range"), log.size_bytes)
        first, end = part or (0, log.size_bytes)
        headers = [*GUARDS, *_facts(log), *_about(stream), (b"content-length", b"%d" % (end - first))]
        if part is not None:
            headers.append((b"content-range", b"bytes %d-%d/%d" % (first, end - 1, log.size_bytes)))
        await self._stream(call, log, headers, first=first, end=end)

    async def _seen(self, call: Call, run_id: str) -> int:
        """Raise unless the caller may read this run's logs: a reader of its tenant, or its holder (whose attempt it
        is then)."""
        principal = asking.caller_of(call)
        attempt, token = log_headers.lease_of(call)
        if token or (principal.worker_id and not principal.may("read")):
            return (await self._desk.admit(principal, run_id, attempt=attempt, token=token)).attempt
        principal.require("read")
        try:
            await self._doors.desk.get(principal, run_id)
        except NotFound:
            await self._doors.past.history.get(principal, run_id)
            raise NotFound("this run is history: its logs have been deleted", code="JOURNAL_GONE") from None
        return 0

    @contextmanager
    def _turn(self, principal_id: str) -> Iterator[None]:
        """One of the pieces that a credential may send at once; Limited for one more."""
        if self._coming[principal_id] >= AT_ONCE:
            raise Limited(f"{AT_ONCE} pieces of this credential are on their way", code="PIECES_AT_ONCE")
        self._coming[principal_id] += 1
        try:
            yield
        finally:
            self._coming[principal_id] -= 1
            if not self._coming[principal_id]:
                del self._coming[principal_id]

    async def _piece(self, call: Call, *, is_final: bool) -> bytes:
        """The body, in time and with the checksum that was said of it; an empty one may only close."""
        length = call.headers.get(b"content-length")
        wanted = None if is_final and length in (None, b"0") else log_headers.checksum_of(call)
        try:
            async with asyncio.timeout(self._piece_s):
                content = await call.body(PIECE_BYTES)
        except TimeoutError:
            raise TooSlow(f"the piece was not here within {self._piece_s:g} s", code="BODY_TOO_SLOW") from None
        if not content and not is_final:
            raise Malformed("a piece is not empty", code="EMPTY_PIECE")
        if content and wanted is None:
            wanted = log_headers.checksum_of(call)
        if wanted is not None:
            log_headers.check(content, wanted)
        return content

    async def _stream(self, call: Call, log: RunLog, headers: list[Header], *, first: int, end: int) -> None:
        """Send bytes as fast as they are read, a bounded part of them at a time."""
        part = (
            b""
            if call.is_head
            else await in_time(self._desk.content(log.log, first, limit=min(READ_BYTES, end - first)))
        )
        await call.start(200 if (b"content-range" not in dict(headers)) else 206, headers)
        call.body_seen = True
        async with self._live.watch(call, is_long=True) as gone:
            try:
                while part and not gone.done():
                    first += len(part)
                    async with asyncio.timeout(SLOW_READER_S):
                        await call.send({"type": "http.response.body", "body": part, "more_body": first < end})
                    if first >= end:
                        return
                    part = await self._desk.content(log.log, first, limit=min(READ_BYTES, end - first))
            except TimeoutError:
                return  # the reader stood still
            if call.is_head or first >= end:
                await call.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _durable(writing: Awaitable[tuple[RunLog, bool]]) -> tuple[RunLog, bool]:
    """What came of writing; Unavailable when the store does not answer in time. Saying the piece again is safe."""
    try:
        async with asyncio.timeout(STORE_S):
            return await writing
    except TimeoutError:
        raise Unavailable("the store does not answer", code="STORE_SLOW", retry_after_s=1.0) from None


def _whole(query: dict[str, str]) -> tuple[int, str] | None:
    """Bytes and checksum of the whole, where this piece is the last."""
    if not _flag(query, "final"):
        if "total" in query or "sha256" in query:
            raise InvalidInput("total and sha256 belong to final=true", extra={"parameter": "final"})
        return None
    total = asking.number_of(query.get("total", ""), "total", low=0, high=MAX_OFFSET)
    return total, log_headers.hex_of(query.get("sha256", ""), "sha256").hex()


def _flag(query: dict[str, str], name: str, *, empty: bool = False) -> bool:
    text = query.get(name, "false")
    if text == "" and empty:
        return True
    if text not in ("true", "false"):
        raise InvalidInput(f"{name} is true or false", extra={"parameter": name})
    return text == "true"


def _shape(log: RunLog, *, repeated: bool = False) -> RunLogShape:
    return RunLogShape(
        stream=log.log.stream,
        attempt=log.log.attempt,
        offset=log.size_bytes,
        sealed=log.is_closed,
        sha256=log.sha256,
        repeated=repeated,
    )


def _facts(log: RunLog) -> list[Header]:
    """What is known of a log, in headers."""
    headers = [
        (b"x-log-offset", b"%d" % log.size_bytes),
        (b"x-log-sealed", b"true" if log.is_closed else b"false"),
        (b"x-log-attempt", b"%d" % log.log.attempt),
    ]
    if log.is_closed:
        digest = base64.b64encode(bytes.fromhex(log.sha256))
        headers.append((b"repr-digest", b"sha-256=:" + digest + b":"))
    return headers


def _about(stream: str) -> list[Header]:
    """How a log's bytes are to be taken: as text, or as bytes to be saved, never as a page."""
    _, dot, ending = stream.rpartition(".")
    is_text = not dot or ending.lower() in TEXTUAL
    headers: list[Header] = [(b"content-type", TEXT if is_text else BINARY), (b"accept-ranges", b"bytes")]
    if not is_text:
        headers.append((b"content-disposition", b'attachment; filename="%b"' % stream.encode("ascii")))
    return headers
