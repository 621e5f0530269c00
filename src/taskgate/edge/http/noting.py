"""A request that is told to the access log: what it took in, what it gave, and which run it was about.

Only made where there is such a log; without one nothing here costs anything.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from time import monotonic
from typing import Any

from taskgate.access import AccessNotes, EndedRequest
from taskgate.edge.http.call import Call, Receive, Scope, Send
from taskgate.edge.http.problems import Header
from taskgate.ids import is_id

RUNS = "/v1/runs/"


class NotedCall(Call):
    """A call that counts."""

    __slots__ = ("_began_at", "_bytes_in", "_bytes_out", "_run_id")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._began_at = monotonic()
        self._bytes_in = self._bytes_out = 0
        self._run_id = _run_in(self.path)

    async def start(self, status: int, headers: list[Header]) -> None:
        for name, value in headers:
            if name == b"location":
                self._run_id = _run_in(value.decode("latin-1")) or self._run_id
        await super().start(status, headers)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if not self.is_head:
            self._bytes_out += len(message.get("body", b""))
        await super().send(message)

    def note(self, notes: AccessNotes) -> None:
        """The request is over."""
        ended = EndedRequest(
            method=self.scope["method"],
            path=self.path,
            status=self.status,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            duration_s=monotonic() - self._began_at,
            request_id=self.request_id.decode("ascii"),
            principal="" if self.principal is None else self.principal.id,
            run_id=self._run_id,
        )
        notes.told(ended)

    async def _next_piece(self) -> MutableMapping[str, Any]:
        message = await super()._next_piece()
        self._bytes_in += len(message.get("body", b""))
        return message


def _run_in(path: str) -> str:
    """The run that a path is about, "" for none."""
    if not path.startswith(RUNS):
        return ""
    name = path[len(RUNS) :].partition("/")[0]
    return name if is_id(name) else ""
