"""A registry over a memory book, a clock under the test's hand, and an outside world of addresses and documents."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from taskgate.bus import Bus
from taskgate.errors import Forbidden, InvalidInput, Unavailable
from taskgate.events import RoutesChanged
from taskgate.identity.principal import Principal
from taskgate.routes.ports import Turn
from taskgate.routes.registration import Registered, Registration, WantedRoute
from taskgate.routes.registry import Registry
from taskgate.routes.service import Service, Snapshot
from taskgate.routes.settings import RouteSettings
from taskgate.stores.memory.services import MemoryServiceBook
from taskgate.testing.clock import ManualClock


class WatchedBook(MemoryServiceBook):
    """Counts writes, can be away, and can hold a write in its hand until told."""

    def __init__(self) -> None:
        super().__init__()
        self.write_count = 0
        self.is_away = False
        self.hold: asyncio.Event | None = None
        self.writing = asyncio.Event()

    async def save(self, service: Service, *, under: Turn | None = None) -> None:
        await self._written()
        await super().save(service, under=under)

    async def remove(self, name: str, *, under: Turn | None = None) -> bool:
        await self._written()
        return await super().remove(name, under=under)

    async def _written(self) -> None:
        self.write_count += 1
        if self.is_away:
            raise Unavailable("the database does not answer")
        if self.hold is not None:
            self.writing.set()
            await self.hold.wait()


class World:
    """Which addresses may be reached, what stands at URLs (bytes, or the error of fetching them), who is `there`."""

    def __init__(self) -> None:
        self.pinned: list[tuple[str, int, str]] = []
        self.documents: dict[str, bytes | Exception] = {}
        self.fetched: list[str] = []
        self.there: set[str] = set()
        self.asked: list[str] = []
        self.hold: asyncio.Event | None = None

    async def answers(self, base_url: str, *, site_id: str) -> bool:
        self.asked.append(base_url)
        if self.hold is not None:
            await self.hold.wait()
        return base_url in self.there

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        self.pinned.append((host, port, scheme))
        if host.startswith("169.254."):
            raise Forbidden("never", code="ADDRESS_FORBIDDEN")
        return (host,)

    async def fetch(self, url: str, *, site_id: str) -> bytes:
        self.fetched.append(url)
        found = self.documents.get(url, Unavailable("nobody answers"))
        if isinstance(found, Exception):
            raise found
        return found


class Place:
    """The registry, who watches it, and people who register."""

    def __init__(self, book: WatchedBook | None = None, **settings: Any) -> None:
        self.book = book or WatchedBook()
        self.world = World()
        self.clock = ManualClock()
        self.bus = Bus()
        self.published: list[Snapshot] = []
        self.bus.subscribe(RoutesChanged, lambda event: self.published.append(event.snapshot))
        self.registry = Registry(
            self.book,
            bus=self.bus,
            clock=self.clock,
            reach=self.world,
            source=self.world,
            presence=self.world,
            settings=RouteSettings(**settings),
        )

    async def register(
        self, name: str = "math", *routes: str, by: Principal | None = None, **changes: Any
    ) -> Registered:
        """Each route is `METHOD /path`; without one, `POST /NAME`."""
        wanted = [text.split(" ") for text in routes or (f"POST /{name}",)]
        asked = Registration(
            name=name,
            base_url="http://127.0.0.1:8082",
            routes=tuple(
                WantedRoute(name=f"r{n}", method=one, gateway_path=path) for n, (one, path) in enumerate(wanted)
            ),
        )
        return await self.registry.register(by or SERVICE, msgspec.structs.replace(asked, **changes))

    def paths(self, name: str = "math") -> list[str]:
        return [f"{one.method} {one.path}" for one in self.registry.standing.services[name].routes]

    async def pass_time(self, seconds: float, *, renewing: tuple[str, ...] = ()) -> None:
        """Second by second, with a sweep in each; `renewing` services renew every ten."""
        for second in range(int(seconds)):
            self.clock.advance(1.0)
            if second % 10 == 9:
                for name in renewing:
                    self.registry.renew(SERVICE, name)
            await self.registry.sweep()
            await settled()


async def settled() -> None:
    """Let what a sweep began go as far as it can without the outside."""
    for _ in range(5):
        await asyncio.sleep(0)


def principal(*scopes: str, site: str = "acme", key: str = "k1", prefixes: tuple[str, ...] = ()) -> Principal:
    return Principal(id=key, name=key, scopes=frozenset(scopes), site_id=site, prefixes=prefixes)


SERVICE = principal("register")
STRANGER = principal("register", site="globex", key="k2")
OPERATOR = principal("admin", site="ops", key="k0")


def document(*paths: str) -> bytes:
    """An OpenAPI document with a GET of each path."""
    told: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}}
    told["paths"] = {path: {"get": {"responses": {"200": {"description": "x"}}}} for path in paths}
    return msgspec.json.encode(told)


def broken() -> InvalidInput:
    return InvalidInput("no document", code="DOCUMENT_INVALID")
