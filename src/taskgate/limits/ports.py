"""What limits need where several gateways share them.

A bucket is named by whom and what it limits; its rate and burst come with every call, so that nothing is configured
in the store. One clock decides: the store's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Draw(Struct, frozen=True, kw_only=True, gc=False):
    """Ask a bucket for up to `wanted` tokens; `rate` is tokens per second, `burst` how many it holds when full."""

    bucket: str
    rate: float
    burst: float
    wanted: float = 1.0


class Drawn(Struct, frozen=True, kw_only=True, gc=False):
    """How many tokens came, what is left, and in how many seconds one token will be there (0: now)."""

    given: float
    left: float
    wait_s: float


class Buckets(Protocol):
    """Token buckets that all gateways draw from (INV-R1: over any window w at most burst + rate * w)."""

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        """One verdict per draw, in order. Unavailable while the store is away."""
        ...
