"""How many connections of one address may be waiting for their first request at once.

Over the limit those that have waited longest give way: a flood of slow connections costs the flood its own oldest
ones, while a caller who sends a whole head at once never does. For it is not told at once who is slow. When thousands
come in the same moment (all workers behind one address, after a restart) their heads are there and nobody has read
them yet, or they are on their way: over a long line, behind a lost packet, from a machine that is just as busy. So
they are thinned out only after everything that has arrived was read, and whoever is young stays. Youth is no way
around the limit: above `CROWD` times as many the oldest go whatever their age.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

Act = Callable[[], None]
CROWD: Final = 8


class Waiting(NamedTuple):
    """One that waits, and since when."""

    since: float
    give_way: Act


class Pending:
    """Connections that have not yet sent a whole head, by address. `after_reading` calls what it is given once
    everything that has arrived by now was read; for `young_s` seconds nobody is slow by the clock `monotonic`."""

    __slots__ = ("_after_reading", "_by_address", "_crowded", "_limit", "_monotonic", "_young_s")

    def __init__(
        self,
        limit: int,
        *,
        young_s: float,
        after_reading: Callable[[Act], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._limit = limit
        self._young_s = young_s
        self._after_reading = after_reading
        self._monotonic = monotonic
        self._by_address: dict[str, dict[object, Waiting]] = {}
        self._crowded: set[str] = set()

    def add(self, connection: object, address: str, *, give_way: Act) -> None:
        """It waits; `give_way` is called (once it is forgotten) when it has to go for a newer one."""
        self._by_address.setdefault(address, {})[connection] = Waiting(self._monotonic(), give_way)
        self._look_soon(address)

    def discard(self, connection: object, address: str) -> None:
        """It has sent a head, or is gone."""
        waiting = self._by_address.get(address)
        if waiting is not None:
            waiting.pop(connection, None)
            if not waiting:
                del self._by_address[address]

    def _look_soon(self, address: str) -> None:
        if self.count(address) > self._limit and address not in self._crowded:
            self._crowded.add(address)
            self._after_reading(partial(self._thin, address))

    def _thin(self, address: str) -> None:
        """Of those above the limit the oldest go, as far as they are not young; the rest is looked at again."""
        self._crowded.discard(address)
        for connection, one in self._slow(address):
            self.discard(connection, address)
            one.give_way()
        self._look_soon(address)

    def _slow(self, address: str) -> list[tuple[object, Waiting]]:
        """Who has to go now, the oldest first."""
        waiting = self._by_address.get(address, {})
        young_since = self._monotonic() - self._young_s
        too_many = max(0, len(waiting) - self._limit * CROWD)
        above = islice(waiting.items(), max(0, len(waiting) - self._limit))
        return [item for place, item in enumerate(above) if place < too_many or item[1].since <= young_since]

    def count(self, address: str) -> int:
        """How many of this address are waiting."""
        return len(self._by_address.get(address, ()))
