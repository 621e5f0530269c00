"""What was taken back beside keys: tokens, subjects and certificates, by name, at every gateway within five seconds.

A revocation is written to the store, then told: here as `KeyRevoked`, to other gateways as news. News may be lost, so
where gateways share a store each of them reads every two seconds what was written in the last minute; after a minute
without an answer it reads everything. A name is told again each time it is taken back, so that connections which were
opened with it end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from math import inf
from typing import Protocol

import msgspec

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.events import KeyRevoked
from taskgate.identity.lineage import PREFIX, is_ended, place_of
from taskgate.identity.ports import Revocation, TokenBook
from taskgate.identity.principal import LEEWAY_S
from taskgate.lifespan import TaskSet

_log = logging.getLogger(__name__)
TOPIC = "identity.revoked"
LOOK_S = 2.0
WINDOW_S = 60.0


class News(Protocol):
    """Messages of one topic, in order."""

    async def next(self) -> bytes: ...

    def close(self) -> None: ...


class Announcer(Protocol):
    """News between gateways, as identity needs them."""

    async def publish(self, topic: str, payload: bytes) -> None: ...

    def subscribe(self, topic: str) -> News: ...


class Revocations:
    """Names that were taken back, in memory. `is_sole`: nobody else writes the store, so it is read once."""

    def __init__(
        self,
        book: TokenBook,
        *,
        clock: Clock,
        bus: Bus,
        signals: Announcer | None = None,
        is_sole: bool = False,
        look_s: float = LOOK_S,
    ) -> None:
        self._book = book
        self._clock = clock
        self._bus = bus
        self._signals = signals
        self._is_sole = is_sole
        self._look_s = look_s
        self._known: dict[str, Revocation] = {}
        self._ended: dict[str, int] = {}
        self._news: News | None = None
        self._tasks = TaskSet()
        self._read_at = 0.0

    async def start(self) -> None:
        """Read what stands and listen."""
        if self._signals is not None:
            self._news = self._signals.subscribe(TOPIC)
            self._tasks.spawn(self._listen(self._news), name="revocation news")
        await self._read(inf)
        if not self._is_sole:
            self._tasks.spawn(self._watch(), name="revocations that were not heard of")

    async def stop(self) -> None:
        """Stop listening."""
        await self._tasks.close()
        if self._news is not None:
            self._news.close()
            self._news = None

    def refuses(self, name: str, *, issued_at: float) -> bool:
        """Whether what goes by this name, issued at that moment, was taken back."""
        found = self._known.get(name)
        return found is not None and issued_at <= found.before

    def has_ended(self, lineage: tuple[str, ...]) -> bool:
        """Whether a token of this lineage, or one that it was made out of, was taken back; whenever it was made."""
        return bool(self._ended) and is_ended(lineage, self._ended)

    async def take_back(self, name: str, *, keep_s: float) -> None:
        """Refuse from now on what was issued under this name until now; nothing issued lives longer than `keep_s`.

        It is refused here at once, also where the store cannot be written; then this fails.
        """
        now = self._clock.now()
        revocation = Revocation(name=name, before=now, keep_until=now + keep_s + LEEWAY_S)
        self._learn([revocation])
        await self._book.take_back(revocation)
        if self._signals is not None:
            await self._signals.publish(TOPIC, msgspec.json.encode(revocation))

    def _learn(self, revocations: Iterable[Revocation]) -> None:
        now = self._clock.now()
        for revocation in revocations:
            known = self._known.get(revocation.name)
            if known is not None and known.before >= revocation.before:
                continue
            self._known[revocation.name] = revocation
            self._end_line(revocation.name)
            self._bus.publish(KeyRevoked(revocation.name))
        over = [name for name, known in self._known.items() if known.keep_until <= now]
        for name in over:
            del self._known[name]
        if any(name.startswith(PREFIX) for name in over):
            self._ended = {}
            for name in self._known:
                self._end_line(name)

    def _end_line(self, name: str) -> None:
        if name.startswith(PREFIX):
            mark, generation = place_of(name)
            self._ended[mark] = min(generation, self._ended.get(mark, generation))

    async def _read(self, within_s: float) -> None:
        began_at = self._clock.monotonic()
        self._learn(await self._book.taken_back(within_s))
        self._read_at = began_at

    async def _listen(self, news: News) -> None:
        while True:
            try:
                self._learn([msgspec.json.decode(await news.next(), type=Revocation)])
            except msgspec.MsgspecError:
                _log.warning("news of a revocation could not be read")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            away_s = self._clock.monotonic() - self._read_at
            try:
                await self._read(WINDOW_S if away_s < WINDOW_S / 2 else inf)
            except (NotNow, StoreError) as error:
                _log.debug("revocations could not be read: %s", error)
