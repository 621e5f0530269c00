"""A token bucket: how much may happen at once, and how much in the long run.

Pure: it is given monotonic seconds and keeps none of its own. Its whole state is one moment, at which the bucket is
full again (the virtual scheduling form of ITU-T I.371); a bucket that is full need not be kept at all. So over any
window of w seconds at most burst + rate x w is admitted (INV-R1), and time that steps back admits nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

ROUNDING_S = 1e-9
LONG_PAST = float("-inf")
MAX_KEYS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`rate` per second in the long run, `burst` at once. Both above zero."""

    rate: float
    burst: float

    def __post_init__(self) -> None:
        if not (0 < self.rate < float("inf") and 0 < self.burst < float("inf")):
            raise ValueError(f"rate and burst must be above zero: {self.rate}, {self.burst}")


class Bucket:
    """One bucket. `full_at` is its whole state."""

    __slots__ = ("_rate", "full_at")

    def __init__(self, rate: Rate, *, full_at: float = float("-inf")) -> None:
        self._rate = rate
        self.full_at = full_at

    def wait_s(self, now: float, *, count: float = 1.0) -> float:
        """Seconds until `count` may be taken, 0 when it may now, infinity when it is more than the burst."""
        if count > self._rate.burst:
            return float("inf")
        wait_s = max(self.full_at, now) - now - (self._rate.burst - count) / self._rate.rate
        return wait_s if wait_s > ROUNDING_S else 0.0

    def take(self, now: float, *, count: float = 1.0) -> float:
        """Take `count` if it may be taken now; the seconds to wait otherwise, with nothing taken."""
        wait_s = self.wait_s(now, count=count)
        if wait_s == 0.0:
            self.full_at = max(self.full_at, now) + count / self._rate.rate
        return wait_s


class Buckets:
    """A bucket for every key, forgotten as soon as it is full again. At most `max_keys`, then the one that was
    used longest ago is forgotten: who fills the table with keys is stopped by a limit above this one."""

    def __init__(self, rate: Rate, *, max_keys: int = MAX_KEYS) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def full_at(self, key: str) -> float:
        """The moment at which this key's bucket is full again, long past when it is."""
        return self._full_at.get(key, LONG_PAST)

    def wait_s(self, key: str, now: float, *, count: float = 1.0) -> float:
        """As `Bucket.wait_s` for this key."""
        return self._bucket(key).wait_s(now, count=count)

    def take(self, key: str, now: float, *, count: float = 1.0) -> float:
        """As `Bucket.take` for this key."""
        known, rate = self._full_at, self._rate
        full_at = known.get(key, LONG_PAST)
        begins_at = max(now, full_at)
        wait_s = begins_at - now - (rate.burst - count) / rate.rate
        if wait_s > ROUNDING_S or count > rate.burst:
            if full_at > LONG_PAST:
                known.move_to_end(key)
            return wait_s if count <= rate.burst else float("inf")
        known[key] = begins_at + count / rate.rate
        if full_at > LONG_PAST:
            known.move_to_end(key)
        else:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Let go of buckets that are full again, and of the oldest where there are too many. Looked at when a key
        comes that was not there: only then does the table grow."""
        known = self._full_at
        while known and (len(known) > self._max_keys or next(iter(known.values())) <= now):
            known.popitem(last=False)

    def _bucket(self, key: str) -> Bucket:
        return Bucket(self._rate, full_at=self._full_at.get(key, LONG_PAST))
