"""The ready queue on Redis: the same order as in memory, for all gateways together; each verb is one round trip.

Bands are chosen by stride scheduling over passes (`stores/memory/ready.py` tells the rule); every script is one
atomic step, so two takers never get the same run. All of it may be lost at any time: the ledger knows every queued
run. So a run that cannot be put in is left to the ledger, never refused; and whenever something may be missing (the
connection was cut, the server came back empty or was full, somebody emptied it) listeners are told so by an empty
set, and offer all queued runs again.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain, groupby

import msgspec

from taskgate.errors import NotNow, StoreError
from taskgate.ids import new_token
from taskgate.lifespan import TaskSet
from taskgate.runs.ports import QueuedRef
from taskgate.runs.task import QueueKey
from taskgate.stores.redis.connection import RedisConnection
from taskgate.stores.redis.dialling import pauses
from taskgate.stores.redis.news import News
from taskgate.stores.redis.pipe import Word
from taskgate.stores.redis.scripts import script

_log = logging.getLogger(__name__)
STRIDES = (16, 4, 1)  # below zero, zero, above zero: weights 1, 4, 16
LAG = 2 * max(STRIDES)
MAX_DRAINED = 1000
STEP_LIMIT = 500  # runs in one step of the server, which does nothing else meanwhile
LONGEST_PAUSE_S = 15.0  # between two tries to put in what a full server refused
_OFFER, _TAKE, _WITHDRAW = script("ready_offer"), script("ready_take"), script("ready_withdraw")
_BANDS = struct.Struct(">6d")
_decode_queue = lru_cache(maxsize=1024)(msgspec.json.Decoder(QueueKey).decode)


class _Offer:
    """Runs that go into the queue together; `done` ends when they are in, or are left to the ledger."""

    __slots__ = ("done", "refs")

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done
        self.refs: list[QueuedRef] = []

    def over(self, _: object) -> None:
        """Whatever became of it, nobody waits any longer."""
        self.done.set_result(None)


class RedisReadyQueue:
    """ReadyQueue on Redis. A part: hears from other gateways between `start` and `stop`."""

    def __init__(self, connection: RedisConnection, news: News, *, namespace: str) -> None:
        self._connection = connection
        self._prefix = f"{namespace}:ready:"
        self._channel = f"{namespace}:ready-news"
        self._sender = new_token()
        self._signals: set[RedisReadySignal] = set()
        self._has_lost = asyncio.Event()
        self._next: _Offer | None = None
        self.tasks = TaskSet()
        self._is_back = asyncio.Event()
        connection.on_return(self._returned)
        news.hear(self._channel, self._heard, on_gap=self._lost)

    async def start(self) -> None:
        """Mark the index as one that is known: whoever starts offers all queued runs anyway."""
        with suppress(NotNow):  # it is told as a loss when it comes
            await self._connection.call("HSETNX", f"{self._prefix}state", "born", self._sender)
        self.tasks.spawn(self._tell_losses(), name="ready queue losses")

    async def stop(self) -> None:
        await self.tasks.close()

    async def offer(self, refs: Sequence[QueuedRef]) -> None:
        """Never fails: what cannot be put in now is offered again by whoever listens.

        What is offered in one turn of the loop is put in together; a caller who is cancelled withdraws nothing.
        """
        if not refs:
            return
        offer = self._next
        if offer is None or offer.done.done():
            offer = self._next = _Offer(asyncio.get_running_loop().create_future())
            task = self.tasks.spawn(self._put_in(offer), name="ready queue offer")
            task.add_done_callback(offer.over)
        offer.refs += refs
        await asyncio.shield(offer.done)

    async def take(self, queues: Sequence[QueueKey], limit: int, *, site_id: str | None = None) -> list[QueuedRef]:
        names = [msgspec.json.encode(queue) for queue in dict.fromkeys(queues)]
        if not names or limit <= 0:
            return []
        site = "" if site_id is None else f"={site_id}"
        taken: list[QueuedRef] = []
        while (left := limit - len(taken)) > 0:
            words: tuple[Word, ...] = (self._sender, min(left, STEP_LIMIT), site, LAG, MAX_DRAINED, *STRIDES, *names)
            was_lost, *found = await self._connection.run(_TAKE, *words, keys=[self._prefix])
            if was_lost:
                self._lost()
            taken += [_ref(run_id, text) for run_id, text in zip(found[::2], found[1::2], strict=True)]
            if len(found) < 2 * STEP_LIMIT:
                break
        return taken

    async def withdraw(self, run_id: str) -> None:
        """Never fails: a run that stays in though it is not queued any more is refused to whoever takes it."""
        try:
            await self._connection.run(_WITHDRAW, run_id, MAX_DRAINED, keys=[self._prefix])
        except (NotNow, StoreError) as error:
            _log.info("run %s stays in the ready queue: %s", run_id, error)

    async def depth(self) -> dict[QueueKey, int]:
        found = await self._connection.call("HGETALL", f"{self._prefix}queues")
        counts = {name: sum(_BANDS.unpack(bands)[:3]) for name, bands in zip(found[::2], found[1::2], strict=True)}
        return {_decode_queue(name): int(count) for name, count in counts.items() if count}

    def listen(self) -> RedisReadySignal:
        signal = RedisReadySignal(self._signals)
        self._signals.add(signal)
        return signal

    async def _put_in(self, offer: _Offer) -> None:
        self._next = None
        for start in range(0, len(offer.refs), STEP_LIMIT):
            try:
                await self._put_page_in(offer.refs[start : start + STEP_LIMIT])
            except (NotNow, StoreError) as error:
                _log.warning("%d queued runs wait in the ledger alone: %s", len(offer.refs) - start, error)
                self._lost()
                return

    async def _put_page_in(self, page: Sequence[QueuedRef]) -> None:
        words = _words(page)
        try:
            was_lost, *fresh = await self._connection.run(
                _OFFER, self._channel, self._sender, MAX_DRAINED, *words, keys=[self._prefix]
            )
        except asyncio.CancelledError:
            self._tell({ref.queue for ref in page})  # the server may have done it
            raise
        self._tell(map(_decode_queue, fresh))
        if was_lost:
            self._lost()

    def _heard(self, _: bytes, payload: bytes) -> None:
        """Another gateway's offer; our own listeners know of ours already."""
        sender = self._sender.encode()
        if not payload.startswith(sender):
            self._tell(map(_decode_queue, payload[len(sender) :].split(b"\n")))

    def _tell(self, queues: Iterable[QueueKey]) -> None:
        fresh = set(queues)
        for signal in self._signals if fresh else ():
            signal.add(fresh)

    def _lost(self) -> None:
        self._has_lost.set()

    def _returned(self) -> None:
        self._has_lost.set()
        self._is_back.set()

    async def _tell_losses(self) -> None:
        """Tell listeners of a loss once the server can be asked again, and less and less often where it stays so. A
        server that comes back is a new beginning: however long the pause was, it ends."""
        while True:
            await self._has_lost.wait()
            for pause_s in pauses(LONGEST_PAUSE_S):
                self._has_lost.clear()
                self._is_back.clear()
                if self._connection.is_up:
                    for signal in self._signals:
                        signal.add_loss()
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._is_back.wait()
                if self._is_back.is_set() or (not self._has_lost.is_set() and self._connection.is_up):
                    break


class RedisReadySignal:
    """Which queues got runs since the last call; an empty set when any run may be missing from the index."""

    def __init__(self, listeners: set[RedisReadySignal]) -> None:
        self._listeners = listeners
        self._queues: set[QueueKey] = set()
        self._has_loss = False
        self._news = asyncio.Event()

    def add(self, queues: Iterable[QueueKey]) -> None:
        """Note that these queues got runs."""
        self._queues.update(queues)
        self._news.set()

    def add_loss(self) -> None:
        """Note that something may be missing."""
        self._has_loss = True
        self._news.set()

    async def changed(self) -> set[QueueKey]:
        await self._news.wait()
        if self._has_loss:
            self._has_loss = False
            if not self._queues:
                self._news.clear()
            return set()
        self._news.clear()
        queues, self._queues = self._queues, set()
        return queues

    def close(self) -> None:
        self._listeners.discard(self)


def _words(page: Sequence[QueuedRef]) -> list[Word]:
    """What `ready_offer` is told: those that follow each other at one place together."""
    words: list[Word] = []
    for (band, queue, site_id), refs in groupby(page, key=_place):
        name = msgspec.json.encode(queue)
        head = f"{band}\n{name.decode()}\n"
        told = [(ref.run_id, f"{head}{ref.priority}\n{ref.created_at!r}\n{site_id}") for ref in refs]
        words += (band, name, site_id, msgspec.msgpack.encode(list(chain.from_iterable(told))))
    return words


def _place(ref: QueuedRef) -> tuple[int, QueueKey, str]:
    """Band, queue, site."""
    return ((ref.priority > 0) - (ref.priority < 0) + 1, ref.queue, ref.site_id)


def _ref(run_id: bytes, text: bytes) -> QueuedRef:
    _, queue, priority, created_at, site_id = text.split(b"\n", 4)
    return QueuedRef(
        run_id=run_id.decode(),
        queue=_decode_queue(queue),
        site_id=site_id.decode(),
        priority=int(priority),
        created_at=float(created_at),
    )
