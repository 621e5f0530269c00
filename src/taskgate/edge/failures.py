"""How often an address may fail to show a credential: 5 times a second, over every door.

Only failures count, so a caller with a good key never notices its neighbours behind one address. State per address is
one moment (a token bucket told as the time at which it is full again); addresses of one IPv6 network /64 are one.
"""

from __future__ import annotations

import ipaddress

from taskgate.clock import Clock

MAX_ADDRESSES = 20_000
ROUNDING_S = 1e-6


class FailedTries:
    """Failures by address. Not more than `burst` at once and `rate` a second; forgets addresses that keep quiet."""

    def __init__(self, clock: Clock, *, rate: float = 5.0, burst: int = 5) -> None:
        self._clock = clock
        self._step_s = 1.0 / rate
        self._burst_s = burst / rate
        self._full_at: dict[str, float] = {}

    def left_s(self, address: str) -> float:
        """Seconds until this address may fail again; 0 when it may now."""
        full_at = self._full_at.get(network_of(address))
        if full_at is None:
            return 0.0
        left_s = full_at + self._step_s - self._burst_s - self._clock.monotonic()
        return left_s if left_s > ROUNDING_S else 0.0

    def count(self, address: str) -> None:
        """Note a failure."""
        network, now = network_of(address), self._clock.monotonic()
        full_at = max(self._full_at.pop(network, now), now)
        self._full_at[network] = min(full_at + self._step_s, now + self._burst_s)
        while len(self._full_at) > MAX_ADDRESSES:
            del self._full_at[next(iter(self._full_at))]


def network_of(address: str) -> str:
    """What counts as one address: the IPv4 address itself, the /64 of an IPv6 one, any other text as it is."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
