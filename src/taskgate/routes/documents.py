"""Where a service's OpenAPI document comes from, and that it is one.

Fetched through a port that judges the address; read in a thread, because a large document takes a while. A document
that cannot be fetched or read changes nothing: whoever has a good one keeps it.
"""

from __future__ import annotations

import asyncio

from taskgate.errors import InvalidInput, TooLarge
from taskgate.routes.openapi.diff import breaking_changes
from taskgate.routes.openapi.reading import ApiDocument, read_document
from taskgate.routes.ports import DocumentSource


class Documents:
    """Documents by address or as bytes."""

    def __init__(self, source: DocumentSource, *, max_bytes: int) -> None:
        self._source = source
        self._max_bytes = max_bytes

    async def fetch(self, url: str, *, site_id: str) -> bytes:
        """The bytes at this address. Raises what the port raises, and TooLarge."""
        data = await self._source.fetch(url, site_id=site_id)
        if len(data) > self._max_bytes:
            raise TooLarge("the document is too large", extra={"limit_bytes": self._max_bytes})
        return data

    async def read(self, data: bytes) -> ApiDocument:
        """What the document says. InvalidInput (DOCUMENT_INVALID)."""
        return await asyncio.to_thread(read_document, data, max_bytes=self._max_bytes)

    async def breaks(self, before: bytes, after: bytes, *, new: ApiDocument | None) -> list[str]:
        """A warning for each change from the document `before` to `new` (read from `after`) that breaks callers."""
        if not before or new is None or before == after:
            return []
        try:
            old = await self.read(before)
        except InvalidInput:
            return []
        return [f"breaks callers: {change}" for change in await asyncio.to_thread(breaking_changes, old, new)]
