"""How many connections of one address may be waiting for their first request at once.

Over the limit those that have waited longest give way: a flood of slow connections costs the flood its own oldest
ones, while a caller who sends a whole head at once never does. For it is not told at once who is slow: when thousands
come in the same moment (all workers behind one address, after a restart) their heads are there and nobody has read
them yet. So they are thinned out only after everything that has arrived was read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

Act = Callable[[], None]


class Pending:
    """Connections that have not yet sent a whole head, by address. `after_reading` calls what it is given once
    everything that has arrived by now was read."""

    __slots__ = ("_after_reading", "_by_address", "_crowded", "_limit")

    def __init__(self, limit: int, *, after_reading: Callable[[Act], None]) -> None:
        self._limit = limit
        self._after_reading = after_reading
        self._by_address: dict[str, dict[object, Act]] = {}
        self._crowded: set[str] = set()

    def add(self, connection: object, address: str, *, give_way: Act) -> None:
        """It waits; `give_way` is called (once it is forgotten) when it has to go for a newer one."""
        waiting = self._by_address.setdefault(address, {})
        waiting[connection] = give_way
        if len(waiting) > self._limit and address not in self._crowded:
            self._crowded.add(address)
            self._after_reading(partial(self._thin, address))

    def discard(self, connection: object, address: str) -> None:
        """It has sent a head, or is gone."""
        waiting = self._by_address.get(address)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._by_address[address]

    def _thin(self, address: str) -> None:
        """Those above the limit that have waited longest go."""
        self._crowded.discard(address)
        waiting = self._by_address.get(address, {})
        for oldest in list(waiting)[: max(0, len(waiting) - self._limit)]:
            give_way = waiting[oldest]
            self.discard(oldest, address)
            give_way()

    def count(self, address: str) -> int:
        """How many of this address are waiting."""
        return len(self._by_address.get(address, ()))
