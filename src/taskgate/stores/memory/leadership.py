"""Leaders in memory: one process, and still one leader per duty.

The epoch grows with every change of leader, exactly as where several processes compete.
"""

from __future__ import annotations

from dataclasses import dataclass

from taskgate.clock import Clock
from taskgate.runs.ports import Mandate


@dataclass(slots=True)
class _Reign:
    holder: str
    epoch: int
    expires_at: float


class MemoryLeadership:
    """Leadership in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reigns: dict[str, _Reign] = {}

    async def campaign(self, duty: str, holder: str, *, duration_s: float) -> int | None:
        now = self._clock.now()
        reign = self._reigns.setdefault(duty, _Reign("", 0, now))
        if reign.holder not in ("", holder) and reign.expires_at > now:
            return None
        if reign.holder != holder:
            reign.holder = holder
            reign.epoch += 1
        reign.expires_at = now + duration_s
        return reign.epoch

    def stands(self, mandate: Mandate) -> bool:
        """Whether nobody else has been given the duty since."""
        reign = self._reigns.get(mandate.duty)
        return reign is not None and reign.epoch == mandate.epoch

    async def resign(self, duty: str, holder: str) -> None:
        reign = self._reigns.get(duty)
        if reign is not None and reign.holder == holder:
            reign.holder = ""
