"""Token buckets in memory, for gateways of one process: the model of behaviour for shared ones.

A bucket's whole state is the moment at which it is full again; a full one is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.clock import Clock
from taskgate.limits.ports import Draw, Drawn, granted

SWEEP_COUNT = 10_000


class MemoryBuckets:
    """Buckets in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    async def draw(self, draws: Sequence[Draw]) -> list[Drawn]:
        now = self._clock.monotonic()
        verdicts = [self._draw(draw, now) for draw in draws]
        if len(self._full_at) > SWEEP_COUNT:
            self._full_at = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
        return verdicts

    def _draw(self, draw: Draw, now: float) -> Drawn:
        filling_s = min(max(self._full_at.get(draw.bucket, now) - now, 0.0), draw.burst / draw.rate)
        verdict = granted(draw, draw.burst - filling_s * draw.rate)
        if verdict.given:
            self._full_at[draw.bucket] = now + filling_s + verdict.given / draw.rate
        return verdict
