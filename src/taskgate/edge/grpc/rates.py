"""How many unary calls a principal may make: a bucket for each, by its credential and never by what it says it is.

Streams are not counted: they have credit. The bucket is this gateway's own; who may make `rate` calls a second here may
make as many at another gateway.
"""

from __future__ import annotations

from taskgate.clock import Clock
from taskgate.errors import Limited
from taskgate.limits.bucket import Buckets, Rate


class CallRates:
    """Buckets by principal; None as `rate` counts nothing."""

    def __init__(self, clock: Clock, rate: Rate | None) -> None:
        self._clock = clock
        self._rate = rate
        self._buckets = None if rate is None else Buckets(rate)

    async def take(self, principal_id: str) -> int | None:
        """Count a call; how many more could be made at once. Limited (RATE_LIMITED) when it is one too many."""
        if self._rate is None or self._buckets is None:
            return None
        now = self._clock.monotonic()
        wait_s = self._buckets.take(principal_id, now)
        if wait_s > 0:
            raise Limited("too many calls with this credential", code="RATE_LIMITED", retry_after_s=wait_s)
        spent = max(self._buckets.full_at(principal_id) - now, 0.0) * self._rate.rate
        return max(int(self._rate.burst - spent + 1e-6), 0)
