"""Whether a route's rate limits let a call through, and what its answer says about them.

Pure: it is given monotonic seconds. A call takes one token from every bucket that it falls under, or none from any.
The answer names the limit with the least left, in the words of draft-ietf-httpapi-ratelimit-headers-11: a policy's
`q` is the burst, its `w` the seconds in which an empty bucket fills; `r` is what is left, `t` the seconds until the
bucket is full, or, on a refusal, until the call would be let through: the moment that Retry-After names as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from taskgate.identity.principal import Principal
from taskgate.limits.bucket import Buckets, Rate
from taskgate.limits.shared import SharedBuckets
from taskgate.routes.policy import Partition, RateLimit


class Grant(msgspec.Struct, frozen=True, gc=False):
    """The verdict. `headers` are finished lines, each with its line end; `wait_s` 0 lets the call through, above it
    the call is refused (429) and it is the whole number of seconds for Retry-After."""

    headers: bytes = b""
    wait_s: float = 0.0


UNLIMITED = Grant()
Shared = Callable[[str, Rate], SharedBuckets]


class RouteLimits:
    """The limits of one route, with their buckets: keep the object for as long as the route's limits are the same,
    a new one begins with full buckets. `share` is the part of each rate and burst that this process gives out; with
    `shared` all gateways give it out together, under the same `name` of the route.

    At most 20,000 keys of a limit are remembered, those used last.
    """

    __slots__ = ("_limits",)

    def __init__(
        self, rate_limits: Sequence[RateLimit], *, share: float = 1.0, name: str = "", shared: Shared | None = None
    ) -> None:
        names = [_name(rate_limits, place) for place in range(len(rate_limits))]
        self._limits = tuple(
            _Limit(limit, policy, share, shared=shared, route=name)
            for limit, policy in zip(rate_limits, names, strict=True)
        )

    def admit(self, principal: Principal, now: float) -> Grant:
        """Take a token for a call of this principal, from every bucket or from none."""
        limits = self._limits
        if not limits:
            return UNLIMITED
        if len(limits) == 1:
            limit = limits[0]
            key = limit.key(principal)
            wait_s = limit.buckets.take(key, now)
            return limit.refused(wait_s) if wait_s else limit.granted(limit.buckets.full_at(key), now)
        return self._admit_all([(limit, limit.key(principal)) for limit in limits], now)

    def _admit_all(self, asked: list[tuple[_Limit, str]], now: float) -> Grant:
        wait_s, slowest = max(
            ((limit.buckets.wait_s(key, now), limit) for limit, key in asked), key=lambda pair: pair[0]
        )
        if wait_s:
            return slowest.refused(wait_s)
        for limit, key in asked:
            limit.buckets.take(key, now)
        limit, key = min(asked, key=lambda pair: pair[0].left(pair[0].buckets.full_at(pair[1]), now))
        return limit.granted(limit.buckets.full_at(key), now)


class _Limit:
    """One limit: its buckets and the part of its headers that never changes."""

    __slots__ = ("_burst", "_head", "_rate", "buckets", "per")

    def __init__(self, limit: RateLimit, name: str, share: float, *, shared: Shared | None, route: str) -> None:
        self._rate = limit.rate * share
        self._burst = max(1.0, limit.burst * share)
        self.per: Partition = limit.per
        rate = Rate(rate=self._rate, burst=self._burst)
        # a limit that was changed begins anew, at every gateway
        self.buckets = Buckets(rate) if shared is None else shared(f"{route} {name} {rate.rate:g}/{rate.burst:g}", rate)
        window_s = max(1, math.ceil(self._burst / self._rate))
        self._head = b'ratelimit-policy: "%b";q=%d;w=%d\r\nratelimit: "%b";r=' % (
            (text := name.encode("ascii")),
            int(self._burst),
            window_s,
            text,
        )

    def key(self, principal: Principal) -> str:
        """Whose bucket it is."""
        per = self.per
        return principal.id if per == "principal" else principal.site_id if per == "tenant" else ""

    def left(self, full_at: float, now: float) -> float:
        """Tokens in a bucket that is full at that moment."""
        return self._burst - max(full_at - now, 0.0) * self._rate

    def granted(self, full_at: float, now: float) -> Grant:
        """The answer of a call that has taken its token."""
        filling_s = full_at - now
        left = int(self._burst - filling_s * self._rate + 1e-6)
        return Grant(self._head + b"%d;t=%d\r\n" % (max(0, left), math.ceil(filling_s)))

    def refused(self, wait_s: float) -> Grant:
        """The answer of a call that has to wait."""
        whole_s = math.ceil(wait_s)
        return Grant(self._head + b"0;t=%d\r\n" % whole_s, float(whole_s))


def _name(limits: Sequence[RateLimit], place: int) -> str:
    """What a policy is called: its partition, with a number where several have the same."""
    per = limits[place].per
    number = sum(limit.per == per for limit in limits[: place + 1])
    return per if number == 1 else f"{per}-{number}"
