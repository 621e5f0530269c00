"""How much may wait for the journal in this process: what came in and is not durable yet, of all connections together.

A journal that is slow or away must not fill the memory of a gateway, so whoever takes something in notes its weight
here first and gives it back when it is durable or was given up. Beyond the bound nothing more is taken in; each door
says so in its own way, and what was not acknowledged stays with its sender. What may come as slowly as its sender likes
yields: it never has more than half of the room, so that lines, and the results behind them, find some.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from taskgate.errors import Limited

UNWRITTEN_BYTES = 128 << 20
RETRY_S = 1.0


class Allowance:
    """`used_bytes` of `limit_bytes` wait."""

    def __init__(self, limit_bytes: int = UNWRITTEN_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0
        self._recovery = asyncio.Event()

    @property
    def is_spent(self) -> bool:
        """Whether nothing more is to be taken in."""
        return self.used_bytes >= self.limit_bytes

    def take(self, size_bytes: int, *, yields: bool = False) -> bool:
        """Note what is taken in; False, and nothing is noted, when there is no room for it."""
        limit_bytes = self.limit_bytes // 2 if yields else self.limit_bytes
        if self.used_bytes and self.used_bytes + size_bytes > limit_bytes:
            return False
        self.used_bytes += size_bytes
        return True

    def give(self, size_bytes: int) -> None:
        """What was taken waits no more."""
        self.used_bytes -= size_bytes
        if self._is_half_free():
            self._recovery.set()

    async def recovered(self) -> None:
        """Wait until at least half of it is free."""
        while not self._is_half_free():
            self._recovery.clear()
            await self._recovery.wait()

    def _is_half_free(self) -> bool:
        return self.used_bytes * 2 <= self.limit_bytes

    @contextmanager
    def taken(self, size_bytes: int, *, yields: bool = False) -> Iterator[None]:
        """Take it for as long as the block lasts; Limited when there is no room."""
        if not self.take(size_bytes, yields=yields):
            raise behind()
        try:
            yield
        finally:
            self.give(size_bytes)


def behind() -> Limited:
    """What a sender hears that has to hold back."""
    return Limited("the journal is behind: say it again in a moment", code="JOURNAL_BEHIND", retry_after_s=RETRY_S)
