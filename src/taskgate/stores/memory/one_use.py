"""Values that can be taken once, in memory; forgotten with the process.

What nobody took is swept out now and then, so that asking for tickets without using them fills nothing.
"""

from __future__ import annotations

from taskgate.clock import Clock

SWEEP_COUNT = 1000


class MemoryOneUse:
    """OneUse in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[bytes, float]] = {}
        self._sweep_count = SWEEP_COUNT

    def __len__(self) -> int:
        return len(self._kept)

    async def put(self, name: bytes, value: bytes, *, keep_s: float) -> bool:
        now = self._clock.monotonic()
        if name in self._kept and self._kept[name][1] > now:
            return False
        self._kept[name] = (value, now + keep_s)
        if len(self._kept) > self._sweep_count:
            self._kept = {name: kept for name, kept in self._kept.items() if kept[1] > now}
            self._sweep_count = max(SWEEP_COUNT, 2 * len(self._kept))
        return True

    async def take(self, name: bytes) -> bytes | None:
        value, until = self._kept.pop(name, (b"", 0.0))
        return value if self._clock.monotonic() < until else None
