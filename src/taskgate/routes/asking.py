"""Services that never renew are looked up at their address: who is there keeps its lease for another period.

Beside the sweep, never in its way: an answer that comes late finds the lease lapsed, and brings the service back. What
is decided by time stands in `leases.py`. Who cannot be reached, or may not be any more, just lapses.
"""

from __future__ import annotations

import asyncio

from taskgate.clock import Clock
from taskgate.lifespan import TaskSet
from taskgate.routes.leases import to_ask
from taskgate.routes.ports import Presence
from taskgate.routes.service import Service
from taskgate.routes.standing import Standing

MAX_AT_ONCE = 64


class Asking:
    """Asks those that `standing` knows; `tasks` wait for answers."""

    def __init__(self, standing: Standing, presence: Presence, *, clock: Clock) -> None:
        self._standing = standing
        self._presence = presence
        self._clock = clock
        self.tasks = TaskSet()
        self._under_way: set[str] = set()
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    def ask(self) -> None:
        """Begin to ask everybody whose time it is. Returns at once."""
        now = self._clock.monotonic()
        for name in to_ask(self._standing.leases, now=now):
            if name not in self._under_way:
                self._under_way.add(name)
                self._standing.leases[name].asked_at = now
                self.tasks.spawn(self._ask(self._standing.services[name]), name=f"is {name} there")

    async def _ask(self, service: Service) -> None:
        try:
            async with self._places:
                is_there = await self._presence.answers(service.base_url, site_id=service.site_id)
        finally:
            self._under_way.discard(service.name)
        lease = self._standing.leases.get(service.name)
        if is_there and self._standing.services.get(service.name) is service and lease and not lease.is_kept_up:
            self._standing.renew(service.name)
