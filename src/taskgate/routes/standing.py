"""The registered services of this moment, in memory: who is there, under which lease, with which document.

One change makes one new snapshot, which is published whole; nobody sees half of a change, and what was handed out
before goes on as it was (INV-P3). Nothing here waits or touches a store.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.events import RoutesChanged
from taskgate.routes.holdings import Clash, Holdings
from taskgate.routes.leases import Lease, Verdict, judge
from taskgate.routes.service import Service, Snapshot


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Since when (epoch seconds) and why a document is the last good one and not the present one."""

    since: float
    error: str


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """A service as it is listed. `status` is `up`, `away`, or `kept` (lapsed, but with too many others at once)."""

    service: Service
    status: str
    trouble: Trouble | None


class Standing:
    """Services by name, in the order of their first registration."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._troubles: dict[str, Trouble] = {}
        self._verdict = Verdict(away=frozenset(), kept=frozenset())
        self._holdings = Holdings()
        self.services: dict[str, Service] = {}
        self.leases: dict[str, Lease] = {}
        self.snapshot = Snapshot()

    def put(self, services: Iterable[Service], *, is_renewed: bool = True) -> None:
        """Let these stand, each in the place of its namesake, under a fresh lease or the one that it had."""
        for service in services:
            old = self.services.get(service.name)
            if old is not None:
                self._holdings.remove(old)
            self._holdings.add(service)
            self.services[service.name] = service
            self._troubles.pop(service.name, None)
            if is_renewed:
                self._lease(service)
        self._publish()

    def drop(self, names: Iterable[str]) -> None:
        """Let these stand no more."""
        for name in names:
            self._holdings.remove(self.services.pop(name))
            self.leases.pop(name, None)
            self._troubles.pop(name, None)
            self._present(name)
        self._publish()

    def renew(self, name: str, *, by_itself: bool = False) -> None:
        """A fresh lease; who was away is back at once. `by_itself`: the service renews, and is held to its lease."""
        self._lease(self.services[name], is_kept_up=by_itself)
        if name in self.snapshot.away:
            self._publish()

    def judge(self, *, keep_above: float) -> Verdict:
        """Look at the leases; published only when somebody went or came."""
        self._verdict = judge(self.leases, self._verdict, now=self._clock.monotonic(), keep_above=keep_above)
        if self._verdict.away != self.snapshot.away:
            self._publish()
        return self._verdict

    def trouble(self, name: str, error: str | None) -> None:
        """Its document cannot be had (the first moment stays), or can be had again (None)."""
        had = self._troubles.get(name)
        if error is not None and name in self.services:
            since = self._clock.now() if had is None else had.since
            self._troubles[name] = Trouble(since=since, error=error)
        else:
            self._troubles.pop(name, None)
        if (had is None) != (name not in self._troubles):
            self._publish()

    def clash(self, service: Service) -> Clash | None:
        """Who was there first, if somebody was."""
        return self._holdings.clash(service)

    def views(self, site_id: str | None) -> list[ServiceView]:
        """What callers of that site may know of, None for everything."""
        return [
            ServiceView(service=service, status=self._status(service.name), trouble=self._troubles.get(service.name))
            for service in self.services.values()
            if site_id is None or service.serves(site_id)
        ]

    def _status(self, name: str) -> str:
        if name in self._verdict.away:
            return "away"
        return "kept" if name in self._verdict.kept else "up"

    def _lease(self, service: Service, *, is_kept_up: bool = False) -> None:
        self._present(service.name)
        if service.lease_s:
            until = self._clock.monotonic() + service.lease_s
            self.leases[service.name] = Lease(until=until, lease_s=service.lease_s, is_kept_up=is_kept_up)
        else:
            self.leases.pop(service.name, None)

    def _present(self, name: str) -> None:
        verdict = self._verdict
        self._verdict = Verdict(away=verdict.away - {name}, kept=verdict.kept - {name})

    def _publish(self) -> None:
        self.snapshot = Snapshot(
            services=tuple(self.services.values()),
            away=self._verdict.away,
            stale=frozenset(self._troubles),
            number=self.snapshot.number + 1,
        )
        self._bus.publish(RoutesChanged(self.snapshot))
