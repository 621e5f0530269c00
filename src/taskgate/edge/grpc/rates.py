"""How many unary calls a principal may make: a bucket for each, by its credential and never by what it says it is.

Streams are not counted: they have credit. Where gateways share a Redis they give the rate out together, as they do the
routes' (`limits/shared.py`), so who calls all of them makes no more calls than at one (INV-R1); while it is away each
gives out its part. Without one the bucket is this gateway's own.
"""

from __future__ import annotations

from collections.abc import Callable

from taskgate.clock import Clock
from taskgate.errors import Limited
from taskgate.limits.bucket import Buckets, Rate
from taskgate.limits.shared import SharedBuckets

NAME = "grpc calls"
Shared = Callable[[str, Rate], SharedBuckets]


class CallRates:
    """Buckets by principal; None as `rate` counts nothing. `shared` makes the buckets that all gateways share."""

    def __init__(self, clock: Clock, rate: Rate | None, *, shared: Shared | None = None) -> None:
        self._clock = clock
        self._rate = rate
        self._buckets = None if rate is None else Buckets(rate) if shared is None else shared(NAME, rate)

    async def take(self, principal_id: str) -> int | None:
        """Count a call; how many more could be made at once, as far as is known here. Limited (RATE_LIMITED) when it is
        one too many."""
        if self._rate is None or self._buckets is None:
            return None
        now = self._clock.monotonic()
        wait_s = self._buckets.take(principal_id, now)
        if wait_s > 0:
            raise Limited("too many calls with this credential", code="RATE_LIMITED", retry_after_s=wait_s)
        spent = max(self._buckets.full_at(principal_id) - now, 0.0) * self._rate.rate
        return max(int(self._rate.burst - spent + 1e-6), 0)
