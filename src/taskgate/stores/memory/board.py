"""What gateways say of their workers, in memory: for gateways of one process.

What was not said again in time is forgotten, so a gateway that died is not counted.
"""

from __future__ import annotations

from taskgate.clock import Clock


class MemoryBoard:
    """Board in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[str, tuple[bytes, float]] = {}

    async def post(self, gateway_id: str, text: bytes, *, keep_s: float) -> None:
        self._said[gateway_id] = (text, self._clock.monotonic() + keep_s)

    async def read(self) -> dict[str, bytes]:
        now = self._clock.monotonic()
        self._said = {gateway_id: said for gateway_id, said in self._said.items() if said[1] > now}
        return {gateway_id: text for gateway_id, (text, _) in self._said.items()}

    async def remove(self, gateway_id: str) -> None:
        self._said.pop(gateway_id, None)
