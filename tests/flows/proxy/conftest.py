"""A gateway whose runs may stand on a real service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from taskgate.proxy.holders import ServiceHolders
from taskgate.proxy.settings import ProxySettings
from taskgate.routes.service import Service, Snapshot
from taskgate.runs.task import Target
from tests.flows.proxy.upstream import PlainCaller, Upstream, running_upstream
from tests.flows.runs.house import House


class Town(House):
    """A gateway, one service called `math`, and the holders between them."""

    def __init__(self, upstream: Upstream, session: aiohttp.ClientSession) -> None:
        super().__init__()
        self.upstream = upstream
        self.holders = ServiceHolders(
            self.gateway.moves,
            definitions=self.gateway.definitions,
            fleet=self.gateway.fleet,
            clock=self.clock,
            caller=PlainCaller(session),
            settings=ProxySettings(forward_limit=2, forward_drain_s=0.2),
            heartbeat_s=3600.0,
            max_bytes=1 << 20,
        )

    def service(self, **changes: object) -> Service:
        return Service(**{"name": "math", "base_url": f"{self.upstream.url}/api", "shared": True, **changes})  # type: ignore[arg-type]

    async def register(self, *services: Service, away: frozenset[str] = frozenset()) -> None:
        """The set of services is this one; returns when the fleet knows."""
        wanted = services or (self.service(),)
        self.holders.follow(Snapshot(services=wanted, away=away))
        names = {f"service/{service.name}": service for service in wanted}

        def stands() -> bool:
            found = {holder.id: holder for holder in self.gateway.fleet if holder.target == "http"}
            return set(found) == set(names) and all(
                found[name].draining is (service.name in away) for name, service in names.items()
            )

        await self.until(stands)


def http(**options: object) -> Target:
    """A target at the service."""
    return Target(**{"kind": "http", "service": "math", "path": "/double", "backoff_s": 0.0, **options})  # type: ignore[arg-type]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as made:
        yield made


@pytest.fixture
async def town(upstream: Upstream) -> AsyncIterator[Town]:
    async with aiohttp.ClientSession() as session:
        made = Town(upstream, session)
        await made.gateway.start()
        await made.holders.start()
        yield made
        await made.holders.stop()
        await made.gateway.stop()
