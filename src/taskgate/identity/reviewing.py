"""Keys that were revoked while nobody told us: every live connection that they opened must end all the same (INV-A5).

News of a revocation come at once, and may be lost. So the ring is read again every `REVIEW_S` where other gateways
write it, and whenever news may be missing: what was revoked since the last reading that succeeded, and a while before
that because clocks differ, is announced here as if the news had come. Twice is harmless.
"""

from __future__ import annotations

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.events import KeyRevoked
from taskgate.identity.ports import KeyRing

REVIEW_S = 2.0
MARGIN_S = 120.0


class KeyReview:
    """Finds revoked keys in the ring. `read` is called by whoever knows when."""

    def __init__(self, ring: KeyRing, *, bus: Bus, clock: Clock) -> None:
        self._ring = ring
        self._bus = bus
        self._clock = clock
        self._since = clock.now() - MARGIN_S
        self._announced: set[str] = set()

    async def read(self) -> None:
        """Announce what was revoked lately and was not announced by this review before."""
        since, began = self._since, self._clock.now()
        revoked = {
            record.id
            for record in await self._ring.all()
            if record.revoked_at is not None and record.revoked_at >= since
        }
        for key_id in revoked - self._announced:
            self._bus.publish(KeyRevoked(key_id))
        self._announced = revoked
        self._since = began - MARGIN_S
