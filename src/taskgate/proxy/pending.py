"""How many connections of one address may be waiting for their first request at once.

Over the limit the one that has waited longest gives way: a flood of slow connections costs the flood its own oldest
ones, while a caller who sends a whole head at once hardly ever waits here.
"""

from __future__ import annotations

from collections.abc import Callable


class Pending:
    """Connections that have not yet sent a whole head, by address."""

    __slots__ = ("_by_address", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_address: dict[str, dict[object, Callable[[], None]]] = {}

    def add(self, connection: object, address: str, *, give_way: Callable[[], None]) -> None:
        """It waits; `give_way` is called (once it is forgotten) when it has to go for a newer one."""
        waiting = self._by_address.setdefault(address, {})
        waiting[connection] = give_way
        if len(waiting) > self._limit:
            oldest = next(iter(waiting))
            waiting.pop(oldest)()

    def discard(self, connection: object, address: str) -> None:
        """It has sent a head, or is gone."""
        waiting = self._by_address.get(address)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._by_address[address]

    def count(self, address: str) -> int:
        """How many of this address are waiting."""
        return len(self._by_address.get(address, ()))
