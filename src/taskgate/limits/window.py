"""Two counts over the last seconds, in constant memory: what went well and what did not, say.

Pure. The window has ten slots that are aligned to the clock it is given: it covers the slot that runs and the nine
before it, so between nine and ten tenths of its width. Time that steps back counts into the slot that runs.
"""

from __future__ import annotations

from collections import deque

SLOT_COUNT = 10


class Tally:
    """The caller adds to `good` and `bad`, which are the counts of the running slot, after `roll` once `now` has
    reached `ends`; so the common case costs a comparison and an addition, and no call."""

    __slots__ = ("_past", "_slot", "_slot_s", "bad", "ends", "good")

    def __init__(self, width_s: float) -> None:
        self._slot_s = width_s / SLOT_COUNT
        self._past: deque[tuple[int, int]] = deque(maxlen=SLOT_COUNT - 1)
        self._slot = 0
        self.ends = float("-inf")
        self.good = 0
        self.bad = 0

    def roll(self, now: float) -> None:
        """Begin the slot that `now` is in; what has left the window is forgotten."""
        slot = int(now // self._slot_s)
        passed = slot - self._slot
        if passed > SLOT_COUNT:
            self._past.clear()
        elif passed > 0:
            self._past.append((self.good, self.bad))
            self._past.extend(((0, 0),) * (passed - 1))
        if passed > 0:
            self._slot = slot
            self.good = self.bad = 0
        self.ends = (self._slot + 1) * self._slot_s

    def sums(self, now: float) -> tuple[int, int]:
        """Both counts over the window that ends with `now`."""
        if now >= self.ends:
            self.roll(now)
        past = self._past
        return self.good + sum(slot[0] for slot in past), self.bad + sum(slot[1] for slot in past)

    def clear(self) -> None:
        """Forget everything."""
        self._past.clear()
        self.good = self.bad = 0
