"""Services that several gateways register, renew and judge together.

Changes are made by one gateway at a time: it takes the turn, reads what stands, judges, saves, tells the others and
gives the turn back; so two newcomers never get one path, and of two that come at once the first to have the turn wins.
What is written is written under the epoch of the turn, judged in the transaction that writes it: a gateway that stood
still in the middle of a change until another one had the turn changes nothing any more.
The others read the book again when they hear of it, and now and then in any case.

Renewals write nothing. They are told by name, and the moment of each is on the board too: a renewal at any gateway
counts at all, soon, and after lost news a little later. Where nothing is heard of the others, nobody is judged: a
service that seems silent may be renewing elsewhere, and its breaker knows better than its lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from taskgate.clock import Clock
from taskgate.fleet.neighbours import GatewayPost, Neighbours
from taskgate.lifespan import TaskSet
from taskgate.rereading import Announcer, News, Rereader
from taskgate.routes.ports import ServiceBook, Turn
from taskgate.routes.service import Service
from taskgate.routes.standing import Standing

TOPIC, RENEWED = "services", "services.renewed"
REREAD_S = 30.0
TURN_S = 10.0
TURN_PAUSE_S = 0.02
SAID = "leases"
SLACK_S = 0.5


class TurnTaking(Protocol):
    """Who may change services now; what `Leadership` gives."""

    async def campaign(self, duty: str, holder: str, *, duration_s: float) -> int | None: ...

    async def resign(self, duty: str, holder: str) -> None: ...


class Renewal(msgspec.Struct, frozen=True, array_like=True):
    """When (epoch seconds) a lease began that stands, and whether its service renews by itself."""

    at: float
    is_kept_up: bool


class Sharing:
    """A part: keeps `standing` what all gateways together know."""

    def __init__(
        self,
        book: ServiceBook,
        standing: Standing,
        *,
        signals: Announcer,
        turns: TurnTaking,
        neighbours: Neighbours | None,
        name: str,
        clock: Clock,
    ) -> None:
        self._book = book
        self._standing = standing
        self._signals = signals
        self._turn = turns
        self._neighbours = neighbours
        self._name = name
        self._clock = clock
        self._held: Turn | None = None
        self._renewed: set[str] = set()
        self._to_tell = asyncio.Event()
        self._news = Rereader(self.read, signals=signals, topic=TOPIC, name=name, every_s=REREAD_S)
        self.tasks = TaskSet()
        if neighbours is not None:
            neighbours.more[SAID] = self._said
            neighbours.on_read.append(self._merge)

    async def start(self) -> None:
        self.tasks.spawn(self._tell(), name="telling of renewals")
        self.tasks.spawn(self._listen(self._signals.subscribe(RENEWED)), name="news of renewals")
        await self._news.start()

    async def stop(self) -> None:
        await self._news.stop()
        await self.tasks.close()

    @property
    def may_judge(self) -> bool:
        """Whether a lease that lapsed here has lapsed everywhere."""
        return self._neighbours is None or self._neighbours.is_fresh

    def renewed(self, name: str) -> None:
        """A service renewed its lease here."""
        self._renewed.add(name)
        self._to_tell.set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """What is done within is done by no other gateway meanwhile, and upon what all of them did before."""
        while (epoch := await self._turn.campaign(TOPIC, self._name, duration_s=TURN_S)) is None:  # noqa: ASYNC110
            await asyncio.sleep(TURN_PAUSE_S)
        self._held = Turn(TOPIC, epoch)
        try:
            await self.read()
            yield
        finally:
            self._held = None
            await self._news.changed()
            await self._turn.resign(TOPIC, self._name)

    async def save(self, service: Service) -> None:
        """Write a service within the turn. Unavailable (TURN_LOST) once it is somebody else's."""
        await self._book.save(service, under=self._held)

    async def remove(self, name: str) -> bool:
        """Remove one within the turn. Unavailable (TURN_LOST) once it is somebody else's."""
        return await self._book.remove(name, under=self._held)

    async def read(self) -> None:
        """Let stand what the book has. A reading that began before a change made here does not undo it."""
        standing, number, kept = self._standing, -1, dict[str, Service]()
        while number != standing.snapshot.number:
            number = standing.snapshot.number
            kept = {service.name: service for service in await self._book.load()}
        gone = [name for name in standing.services if name not in kept]
        fresh = [service for name, service in kept.items() if standing.services.get(name) != service]
        if gone:
            standing.drop(gone)
        if fresh:
            standing.put(fresh)

    async def _tell(self) -> None:
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            names, self._renewed = self._renewed, set()
            await self._signals.publish(RENEWED, msgspec.json.encode((self._name, sorted(names))))

    async def _listen(self, news: News) -> None:
        try:
            while True:
                message = await news.next()
                try:
                    sender, names = msgspec.json.decode(message, type=tuple[str, list[str]])
                except msgspec.MsgspecError:
                    continue  # what was missed is on the board
                for name in names if sender != self._name else ():
                    if name in self._standing.services:
                        self._standing.renew(name, by_itself=True)
        finally:
            news.close()

    def _said(self) -> dict[str, Renewal]:
        now, ago = self._clock.now(), self._clock.monotonic()
        return {
            name: Renewal(now - (ago - (lease.until - lease.lease_s)), lease.is_kept_up)
            for name, lease in self._standing.leases.items()
        }

    def _merge(self) -> None:
        """Leases that began later elsewhere than what is known here."""
        now, ago = self._clock.now(), self._clock.monotonic()
        for post in self._neighbours.posts() if self._neighbours is not None else ():
            said = _leases_in(post)
            for name, renewal in said.items():
                lease = self._standing.leases.get(name)
                if lease is None or name not in self._standing.services:
                    continue
                until = ago + min(renewal.at - now, 0.0) + lease.lease_s
                if until > lease.until + SLACK_S:
                    self._standing.renew(name, by_itself=renewal.is_kept_up)
                    self._standing.leases[name].until = until


def _leases_in(post: GatewayPost) -> dict[str, Renewal]:
    """What a gateway says of its leases; nothing where it speaks as another version does."""
    try:
        return msgspec.json.decode(post.more.get(SAID, msgspec.Raw(b"{}")), type=dict[str, Renewal])
    except msgspec.MsgspecError:
        return {}
