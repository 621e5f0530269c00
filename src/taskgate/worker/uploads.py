"""Pieces of big logs, from the task processes to the gateway's door for logs.

A task process has no credential: it hands a piece to the link process, which sends it under the run's own lease and
answers when it is durable. A piece whose answer is lost, or that the gateway has no room for now, is sent again, for a
minute; a repeat is a success. What the gateway refuses is told to the task as it is. A run has at most
four pieces under way, so memory is bounded by the number of task processes.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from taskgate.lifespan import TaskSet
from taskgate.worker.assignment import Assignment
from taskgate.worker.credential import Credential
from taskgate.worker.frames import Piece, Taken
from taskgate.worker.handing import PIECE_BYTES
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.transport import said
from taskgate.worker.websocket import is_local, tls_context

GIVE_UP_S = 60.0
ANSWER_S = 30.0
AGAIN_S = (0.2, 0.5, 1.0, 2.0, 5.0)
AGAIN = frozenset({425, 429, 500, 502, 503, 504})
AT_ONCE = 4
MOST_ANSWER_BYTES = 64 << 10
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


class _Reply(msgspec.Struct):
    """What of an answer matters, whether it took the piece or refused it."""

    offset: int = -1
    code: str = ""
    detail: str = ""


class Uploads:
    """Sends pieces. `credential` is asked at each of them, because it may have been renewed."""

    def __init__(self, settings: WorkerSettings, credential: Credential) -> None:
        self._settings = settings
        self._credential = credential
        self._tasks = TaskSet()
        self._under_way: Counter[tuple[str, int]] = Counter()
        self._session: aiohttp.ClientSession | None = None

    def take(self, assignment: Assignment, piece: Piece, *, answer: Callable[[Taken], None]) -> None:
        """Send a piece of a run at hand; `answer` is called when it is durable, refused or given up."""
        refusal = self._refusal(assignment, piece)
        if refusal is not None:
            status, code, detail = refusal
            answer(Taken(piece.number, piece.serial, -1, status, code, detail))
            return
        self._under_way[assignment.key] += 1
        self._tasks.spawn(self._taken(assignment, piece, answer), name="log piece")

    def _refusal(self, assignment: Assignment, piece: Piece) -> tuple[int, str, str] | None:
        """Why a piece does not leave this machine: task code may have put anything into it."""
        if _NAME.fullmatch(piece.name) is None:  # it becomes a part of an address that is asked with our credential
            return 422, "BAD_LOG_NAME", "a log's name has 1 to 64 of A-Z a-z 0-9 . _ -"
        if len(piece.content) > PIECE_BYTES:
            return 413, "PIECE_TOO_LARGE", f"a piece has at most {PIECE_BYTES} bytes"
        if self._under_way[assignment.key] >= AT_ONCE:
            return 429, "TOO_MANY_PIECES", f"a run uploads {AT_ONCE} logs at once"
        return None

    async def close(self) -> None:
        """Stop sending."""
        await self._tasks.close()
        if self._session is not None:
            await self._session.close()

    async def _taken(self, assignment: Assignment, piece: Piece, answer: Callable[[Taken], None]) -> None:
        give_up_at = time.monotonic() + GIVE_UP_S
        count = 0
        while True:
            try:
                status, reply, after_s = await self._sent(assignment, piece)
            except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError) as error:
                status, reply, after_s = 503, _Reply(code="UNREACHABLE", detail=said(error)), 0.0
            pause_s = max(after_s, AGAIN_S[min(count, len(AGAIN_S) - 1)])
            if status not in AGAIN or time.monotonic() + pause_s >= give_up_at or assignment.ending:
                break
            count += 1
            await asyncio.sleep(pause_s)
        self._under_way[assignment.key] -= 1
        if not self._under_way[assignment.key]:
            del self._under_way[assignment.key]
        answer(Taken(piece.number, piece.serial, reply.offset, status, reply.code, reply.detail))

    async def _sent(self, assignment: Assignment, piece: Piece) -> tuple[int, _Reply, float]:
        """One try: status, what was said, and after how long to come back."""
        task, content = assignment.task, piece.content
        query = {"offset": str(piece.offset)}
        headers = {"X-Attempt": str(task.attempt), "X-Lease-Token": task.lease_token}
        if self._credential.token:
            headers["X-API-Key"] = str(self._credential.token)
        if piece.sha256:
            query |= {"final": "true", "total": str(piece.offset + len(content)), "sha256": piece.sha256}
        if content:
            headers["X-Checksum-Sha256"] = hashlib.sha256(content).hexdigest()
        url = f"{self._settings.http_url}/v1/runs/{quote(task.run_id, safe='')}/logs/{piece.name}"
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with self._opened().put(
            url, params=query, headers=headers, data=content, timeout=timeout, allow_redirects=False
        ) as given:
            body = await given.content.read(MOST_ANSWER_BYTES)
            after = given.headers.get("Retry-After", "")
            reply = msgspec.json.decode(body, type=_Reply) if body.startswith(b"{") else _Reply()
            return given.status, reply, min(float(after), 5.0) if after.isdigit() else 0.0

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self._settings
            connector = aiohttp.TCPConnector(ssl=tls_context(settings) if settings.is_tls else True)
            host = urlsplit(settings.gateway).hostname or ""
            self._session = aiohttp.ClientSession(connector=connector, trust_env=not is_local(host))
        return self._session
