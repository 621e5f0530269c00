"""A clock that moves only when told to.

Rules take `now`, adapters a clock: with this one expiry is tested in microseconds on every backend.
"""

from __future__ import annotations


class ManualClock:
    """Wall and monotonic seconds under the test's hand; wall time may also jump alone, as real ones do."""

    def __init__(self, now: float = 1_800_000_000.0, monotonic: float = 1000.0) -> None:
        self._now = now
        self._monotonic = monotonic

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back; no time passes."""
        self._now += seconds
