"""What one address may try before it is known who calls there, over every door.

Two buckets for each address. Failures: 5 a second, and whoever is beyond that is answered from memory alone. Tries:
each time that memory does not know a credential, good or not, and finding out costs a read of a store or a signature.
A caller whose credential is known never notices its neighbours behind one address. Addresses of one IPv6 network /64
are one; what is remembered of addresses is bounded.
"""

from __future__ import annotations

import ipaddress

from taskgate.clock import Clock
from taskgate.errors import Limited
from taskgate.limits.bucket import MAX_KEYS, Buckets, Rate


class FailedTries:
    """Failures by address. Not more than `burst` at once and `rate` a second."""

    def __init__(self, clock: Clock, *, rate: float = 5.0, burst: int = 5, max_addresses: int = MAX_KEYS) -> None:
        self._clock = clock
        self._buckets = Buckets(Rate(rate=rate, burst=burst), max_keys=max_addresses)

    def __len__(self) -> int:
        return len(self._buckets)

    def left_s(self, address: str) -> float:
        """Seconds until this address may fail again; 0 when it may now."""
        return self._buckets.wait_s(network_of(address), self._clock.monotonic())

    def count(self, address: str) -> float:
        """Note a failure; the seconds to wait when it was one too many."""
        return self._buckets.take(network_of(address), self._clock.monotonic())


class Tries:
    """Attempts by address that only a store or a signature can decide: `burst` at once and `rate` a second."""

    def __init__(self, clock: Clock, *, rate: float, burst: float, max_addresses: int = MAX_KEYS) -> None:
        self._clock = clock
        self._buckets = Buckets(Rate(rate=rate, burst=burst), max_keys=max_addresses)

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str) -> None:
        """Count one. Limited when it is one too many; an address that is not known (a socket of our own) is free."""
        wait_s = self._buckets.take(network_of(address), self._clock.monotonic()) if address else 0.0
        if wait_s > 0:
            raise Limited("too many attempts from this address", retry_after_s=wait_s)


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
