"""A rate limit that several gateways give out together, asked without waiting.

Pure: it is given monotonic seconds and says what has to be drawn; `drawing.py` draws. Of every burst each gateway has
a purse of its own, from which calls are admitted at once; the rest is a bucket that all share, from which purses are
filled up ahead of need. With G gateways, a purse of c tokens and a shared bucket of burst - G * c that fills at the
whole rate, at most G * c + (burst - G * c) + rate * w is admitted over any window w by all of them together (INV-R1).
A burst of no more than G is exceeded by at most G tokens, because every gateway must be able to admit one call.

A purse that is not full asks until it is. While the shared bucket cannot be asked purses fill at this gateway's part
of the rate, so all together still keep to it; a shared bucket that was emptied just before, and has filled meanwhile,
may give its burst once more when it is back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import floor

from taskgate.limits.bucket import MAX_KEYS, Rate
from taskgate.limits.ports import Draw, Drawn

LOW = 0.5  # a purse below this part is filled up at once, one above it soon
SOON_S = 1.0
SHORTEST_WAIT_S = 0.05
ROUNDING = 1e-9
UNDER_WAY = float("-inf")


class Purse:
    """Tokens in hand for one key, and what was last heard of the shared bucket. `next_at` is when it is looked at
    next: None where nothing is to be done, `UNDER_WAY` while it is drawn for; never before `not_before`."""

    __slots__ = ("filled_at", "next_at", "not_before", "shared_full_at", "tokens")

    def __init__(self, tokens: float, now: float) -> None:
        self.tokens = tokens
        self.filled_at = now
        self.shared_full_at = now
        self.not_before = now
        self.next_at: float | None = None


class SharedBuckets:
    """A bucket for every key of one limit, as `Buckets` but shared. `look` is called with the moment at which `draw`
    is to be asked; `gateways` says among how many the burst is divided; `away_since` since when the shared buckets
    cannot be asked."""

    def __init__(
        self,
        name: str,
        rate: Rate,
        *,
        look: Callable[[SharedBuckets, str, float], None],
        gateways: Callable[[], int],
        away_since: Callable[[], float | None],
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._name = name
        self._rate = rate
        self._look = look
        self._gateways = gateways
        self._away_since = away_since
        self._max_keys = max_keys
        self._purses: OrderedDict[str, Purse] = OrderedDict()

    def __len__(self) -> int:
        return len(self._purses)

    @property
    def size(self) -> float:
        """How much a purse holds."""
        return float(max(1, floor(self._rate.burst / (2 * self._gateways()))))

    def full_at(self, key: str) -> float:
        """The moment at which everything is full again, as far as is known here."""
        purse = self._purses.get(key)
        if purse is None:
            return float("-inf")
        return max(purse.shared_full_at, purse.filled_at) + (self.size - purse.tokens) / self._rate.rate

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until a call may be admitted, 0 when it may now."""
        purse = self._purses.get(key)
        if purse is None:
            return 0.0
        away_since = self._away_since()
        if away_since is not None:
            elapsed_s = max(0.0, now - max(purse.filled_at, away_since))
            purse.tokens = min(self.size, purse.tokens + elapsed_s * self._part())
        purse.filled_at = now
        if purse.tokens >= 1.0 - ROUNDING:
            return 0.0
        self._schedule(key, purse, now)
        if away_since is not None:
            return (1.0 - purse.tokens) / self._part()
        return max(purse.not_before - now, SHORTEST_WAIT_S)

    def take(self, key: str, now: float) -> float:
        """Admit a call; the seconds to wait otherwise, with nothing taken."""
        purse = self._purses.get(key)
        if purse is None:
            purse = self._purses[key] = Purse(self.size, now)
            if len(self._purses) > self._max_keys:
                self._purses.popitem(last=False)
        elif wait_s := self.wait_s(key, now):
            return wait_s
        purse.tokens -= 1.0
        self._schedule(key, purse, now if purse.tokens < LOW * self.size else now + SOON_S)
        return 0.0

    def draw(self, key: str, at: float, *, now: float) -> Draw | None:
        """What to ask the shared bucket for at a moment that `look` was told; None when there is nothing to ask."""
        purse = self._purses.get(key)
        if purse is None or purse.next_at != at:
            return None
        wanted = self.size - purse.tokens
        if wanted < ROUNDING:
            purse.next_at = None
            if purse.shared_full_at <= now:
                del self._purses[key]  # everything is full: as if nobody had come
            else:
                self._schedule(key, purse, purse.shared_full_at)
            return None
        purse.next_at = UNDER_WAY
        burst = max(1.0, self._rate.burst - self._gateways() * self.size)
        return Draw(bucket=f"{self._name}/{key}", rate=self._rate.rate, burst=burst, wanted=wanted)

    def drawn(self, key: str, draw: Draw, *, found: Drawn | None, now: float) -> None:
        """Put what came into the purse; None where the shared bucket could not be asked."""
        purse = self._purses.get(key)
        if purse is None:
            return
        purse.next_at = None
        if found is None:
            self._schedule(key, purse, now + SOON_S)
            return
        purse.tokens = min(purse.tokens + found.given, self.size)
        purse.filled_at = now
        purse.shared_full_at = now + (draw.burst - found.left) / draw.rate
        is_enough = purse.tokens > self.size - ROUNDING
        purse.not_before = now if is_enough else now + max(found.wait_s, SHORTEST_WAIT_S)
        self._schedule(key, purse, purse.shared_full_at if is_enough else purse.not_before)

    def _schedule(self, key: str, purse: Purse, at: float) -> None:
        at = max(at, purse.not_before)
        if purse.next_at is None or at < purse.next_at:
            purse.next_at = at
            self._look(self, key, at)

    def _part(self) -> float:
        return self._rate.rate / self._gateways()
