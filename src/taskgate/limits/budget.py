"""How many retries an upstream is sent, so that retrying never multiplies the load of one that is failing.

Pure: it is given monotonic seconds. Within the last ten seconds (in slots of one, `window.py`) retries are at most
`ratio` of the calls that were no retries, and ten more, so that a quiet upstream may be asked again too.
"""

from __future__ import annotations

from taskgate.limits.window import Tally

WINDOW_S = 10.0
ALWAYS_COUNT = 10


class RetryBudget:
    """The budget of one upstream."""

    __slots__ = ("_ratio", "_tally")

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._tally = Tally(WINDOW_S)

    def note(self, now: float) -> None:
        """A call that is no retry was made."""
        tally = self._tally
        if now >= tally.ends:
            tally.roll(now)
        tally.good += 1

    def take(self, now: float) -> bool:
        """Whether a retry may be made now; if so it is counted."""
        calls, retries = self._tally.sums(now)
        if retries + 1 > ALWAYS_COUNT + self._ratio * calls:
            return False
        self._tally.bad += 1
        return True
