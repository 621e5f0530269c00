"""The access log: one JSON object a line on standard error for each request, where `log.access` asks for it.

Lines are gathered for `FLUSH_S` and written in pieces that several processes can write to one pipe without mixing them
(PIPE_BUF), and only while there is room for one: where nobody reads, requests go on, `MOST_WAITING` lines wait, further
ones are dropped, and the log itself tells how many. Only names, numbers and paths are told, never a query, a header or
a body; what is secret in a path is starred out as in every other line.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from time import monotonic

import msgspec

from taskgate.access import EndedRequest
from taskgate.telemetry.logs import cleaned

FLUSH_S = 0.02
PIECE_BYTES = 4096
MOST_WAITING = 20_000
LONGEST = 512
STDERR = 2
STOP_S = 2.0
DROPPED = b'{"logger":"taskgate.access","level":"warning","message":"%d lines dropped"}'


class _Line(msgspec.Struct, tag_field="logger", tag="taskgate.access", omit_defaults=True, kw_only=True):
    """A request as it is written; what is empty is left out. `status` 0: the caller left, or the answer was cut."""

    at: datetime
    level: str
    method: str
    path: str
    route: str = ""
    service: str = ""
    status: int
    bytes_in: int
    bytes_out: int
    duration_s: float
    principal: str = ""
    request_id: str
    run_id: str = ""
    error: str = ""


class AccessLog:
    """A part: until `stop` what it is told is written to `descriptor` (standard error)."""

    def __init__(self, descriptor: int = STDERR) -> None:
        self._descriptor = descriptor
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)
        self._lines: deque[bytes] = deque()
        self._is_due = False
        self._dropped_count = 0
        self._encode = msgspec.json.Encoder().encode

    async def start(self) -> None:
        """Nothing has to be begun."""

    async def stop(self) -> None:
        """Write what waits; who reads slowly is waited for a moment."""
        end_at = monotonic() + STOP_S
        self._flush()
        while self._lines and monotonic() < end_at:
            await asyncio.sleep(FLUSH_S)
            self._flush()

    def told(self, ended: EndedRequest) -> None:
        """A request is over. Never raises, never waits."""
        if len(self._lines) >= MOST_WAITING:
            self._dropped_count += 1
            return
        request_id = ended.request_id
        line = _Line(
            at=datetime.now(UTC),
            level="info",
            method=ended.method,
            path=_shown(ended.path[:LONGEST]),
            route=ended.route[:LONGEST],
            service=ended.service,
            status=ended.status,
            bytes_in=ended.bytes_in,
            bytes_out=ended.bytes_out,
            duration_s=round(ended.duration_s, 6),
            principal=_shown(ended.principal[:LONGEST]),
            request_id=request_id if _is_ours(request_id) else _shown(request_id),
            run_id=ended.run_id,
            error=ended.error,
        )
        self._lines.append(self._encode(line))
        self._remind()

    def _flush(self) -> None:
        """Write pieces as long as there is room; what finds none is tried again."""
        self._is_due = False
        while self._lines or self._dropped_count:
            if not self._room.poll(0):
                self._remind()
                return
            if not self._lines:
                self._lines.append(DROPPED % self._dropped_count)
                self._dropped_count = 0
            try:
                os.write(self._descriptor, _piece(self._lines))
            except OSError:
                return  # nobody will ever read it

    def _remind(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(FLUSH_S, self._flush)


def _is_ours(request_id: str) -> bool:
    """Whether it has the shape of one made here; others are the caller's text, and looked at like any."""
    return len(request_id) == 49 and request_id[32] == "-"


@lru_cache(maxsize=4096)
def _shown(text: str) -> str:
    return cleaned(text)


def _piece(lines: deque[bytes]) -> bytes:
    """As many of the lines as fit into a piece, taken away; one at least."""
    piece = [lines.popleft()]
    size = len(piece[0]) + 1
    while lines and size + len(lines[0]) + 1 <= PIECE_BYTES:
        size += len(lines[0]) + 1
        piece.append(lines.popleft())
    return b"\n".join(piece) + b"\n"
