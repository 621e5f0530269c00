"""What gateways share beside a database: in one process's memory, or on a Redis that all of them use.

A Redis carries the same for every engine. Where gateways share a database it is what joins them; beside an embedded
one it keeps one gateway's waiting runs and limits through a restart, no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from taskgate.clock import Clock
from taskgate.fleet.ports import Board
from taskgate.identity.ports import OneUse
from taskgate.journal.ports import TailRelay
from taskgate.lifespan import Part
from taskgate.limits.ports import Buckets
from taskgate.runs.ports import ReadyQueue, Signals
from taskgate.stores.guarding import Backend
from taskgate.stores.memory.board import MemoryBoard
from taskgate.stores.memory.buckets import MemoryBuckets
from taskgate.stores.memory.one_use import MemoryOneUse
from taskgate.stores.memory.ready import MemoryReadyQueue
from taskgate.stores.memory.signals import MemorySignals
from taskgate.stores.settings import RedisSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """One adapter per port. `relay` carries tails of journals that several gateways write; None: nobody else does."""

    ready: ReadyQueue
    signals: Signals
    buckets: Buckets
    one_use: OneUse
    board: Board
    relay: TailRelay | None = None
    parts: tuple[Part, ...] = ()
    backends: tuple[Backend, ...] = ()


def sharing_of(redis: RedisSettings, *, clock: Clock) -> Sharing:
    """What the settings name; InvalidInput for a URL that names no server."""
    if not redis.url:
        return Sharing(
            ready=MemoryReadyQueue(),
            signals=MemorySignals(),
            buckets=MemoryBuckets(clock),
            one_use=MemoryOneUse(clock),
            board=MemoryBoard(clock),
        )
    from taskgate.stores.redis.store import RedisStore

    store = RedisStore(redis.url, namespace=redis.namespace)
    return Sharing(
        ready=store.ready,
        signals=store.signals,
        buckets=store.buckets,
        one_use=store.one_use,
        board=store.board,
        relay=store.tails,
        parts=store.parts,
        backends=(store.connection.standing,),
    )
