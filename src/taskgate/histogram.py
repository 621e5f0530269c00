"""How long something took, counted in steps: plain integers that a scrape adds up.

Counting is finding a step and adding one; nothing here is locked, published or formatted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

FAST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SLOW_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0)


class Histogram:
    """`counts[i]` took at most `bounds[i]` seconds and longer than the bound before; the last took longer than all."""

    __slots__ = ("bounds", "counts", "total_s")

    def __init__(self, bounds: Sequence[float] = FAST_S) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total_s = 0.0

    def took(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total_s += seconds
