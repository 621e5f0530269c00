"""`GET /metrics`: what a scraper reads, and nobody else.

It tells what runs here and how much, so it has a scope of its own; an operator may read it too (S32).
"""

from __future__ import annotations

from typing import Protocol

from taskgate.edge.http.asking import caller_of
from taskgate.edge.http.call import Call
from taskgate.edge.http.paths import RawRoute


class MetricsPage(Protocol):
    """Whoever puts the page together."""

    async def page(self, accept: str) -> tuple[bytes, bytes]:
        """The text and its media type, in the form that the scraper accepts."""
        ...


class MetricsEndpoint:
    """One page."""

    def __init__(self, metrics: MetricsPage) -> None:
        self._metrics = metrics

    def routes(self) -> list[RawRoute]:
        """Where it is read."""
        return [RawRoute("GET", "/metrics", self._read)]

    async def _read(self, call: Call, _: str) -> None:
        caller_of(call).require("metrics")
        text, media = await self._metrics.page(call.headers.get(b"accept", b"").decode("latin-1"))
        await call.answer(200, text, media=media)
