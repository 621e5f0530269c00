"""What limits need where several gateways share them.

A bucket is named by whom and what it limits; its rate and burst come with every call, so that nothing is configured
in the store. One clock decides: the store's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, inf
from typing import Protocol

from msgspec import Struct

ROUNDING = 1e-6


class Draw(Struct, frozen=True, kw_only=True, gc=False):
    """Ask a bucket for up to `wanted` tokens; `rate` is tokens per second, `burst` how many it holds when full."""

    bucket: str
    rate: float
    burst: float
    wanted: float = 1.0


class Drawn(Struct, frozen=True, kw_only=True, gc=False):
    """How many tokens came (all that were wanted, else the whole ones that there are), what is left, and in how many
    seconds one token will be there (0: now; infinity where a full bucket does not hold one)."""

    given: float
    left: float
    wait_s: float


def granted(draw: Draw, left: float) -> Drawn:
    """The verdict on a draw from a bucket in which `left` tokens are."""
    given = draw.wanted if draw.wanted <= left + ROUNDING else max(0.0, float(floor(left + ROUNDING)))
    left = max(0.0, left - given)
    missing = 0.0 if left + ROUNDING >= 1.0 else 1.0 - left
    wait_s = inf if missing and draw.burst < 1.0 else missing / draw.rate
    return Drawn(given=given, left=left, wait_s=wait_s)


class Buckets(Protocol):
    """Token buckets that all gateways draw from (INV-R1: over any window w at most burst + rate * w)."""

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        """One verdict per draw, in order. Unavailable while the store is away."""
        ...
