"""What one connection or one address may cost, counted where the library has no bound of its own.

The library gives no way to see a connection, only the calls on it: so resets are counted as calls that were given up
by the caller within a second, before any answer, and a connection is what has calls open. A peer over its budget is
refused before its credential is looked at; the connection itself cannot be closed from here. Pure but for the clock.
"""

from __future__ import annotations

from collections import Counter

from taskgate.clock import Clock
from taskgate.edge.failures import network_of
from taskgate.errors import Limited
from taskgate.limits.bucket import Buckets, Rate

EARLY_S = 1.0  # a call that is given up sooner, without an answer, is a reset


class Peers:
    """Calls by connection (`peer`, the library's spelling with its port) and connections by address."""

    def __init__(self, clock: Clock, *, resets_per_min: int, connections: int) -> None:
        self._clock = clock
        self._connections = connections
        self._resets = Buckets(Rate(rate=resets_per_min / 60.0, burst=float(resets_per_min)))
        self._calls: Counter[str] = Counter()
        self._open: Counter[str] = Counter()

    def begin(self, peer: str, address: str) -> float:
        """A call begins; returns the moment. Limited when its connection or its address has used up what it may."""
        wait_s = self._resets.wait_s(peer, self._clock.monotonic())
        if wait_s > 0:
            raise Limited("too many calls were given up on this connection", code="RESETS", retry_after_s=wait_s)
        network = network_of(address)
        if not self._calls[peer] and self._open[network] >= self._connections:
            del self._calls[peer]
            raise Limited("too many connections from this address", code="CONNECTIONS", retry_after_s=1.0)
        if not self._calls[peer]:
            self._open[network] += 1
        self._calls[peer] += 1
        return self._clock.monotonic()

    def end(self, peer: str, address: str) -> None:
        """A call that had begun is over."""
        self._calls[peer] -= 1
        if self._calls[peer] <= 0:
            del self._calls[peer]
            network = network_of(address)
            self._open[network] -= 1
            if self._open[network] <= 0:
                del self._open[network]

    def given_up(self, peer: str, began_at: float) -> None:
        """The caller gave a call up that had no answer yet."""
        now = self._clock.monotonic()
        if now - began_at < EARLY_S:
            self._resets.take(peer, now)
