"""The ready queue in memory: bands 1 : 4 : 16, tenants in turn, first in first out.

Every queue has three bands (priority below, at and above zero). Across all queues a holder asks for, bands
are chosen by stride scheduling (Waldspurger & Weihl, 1995): each band of each queue has a pass that grows by
the inverse of its weight with every run taken, and the lowest pass is served next. A band that was idle comes
back at the present pass, so it neither owes nor is owed. Within a band tenants take turns; within a tenant
runs leave in the order they came. Larger numbers within one band do not overtake.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from taskgate.runs.ports import QueuedRef
from taskgate.runs.task import QueueKey

STRIDES = (16.0, 4.0, 1.0)  # below zero, zero, above zero: weights 1, 4, 16


class _Band:
    """One band of one queue: tenants in the order of their turn, each with its runs in order."""

    __slots__ = ("passed", "stride", "tenants")

    def __init__(self, stride: float) -> None:
        self.stride = stride
        self.passed = 0.0
        self.tenants: OrderedDict[str, OrderedDict[str, QueuedRef]] = OrderedDict()


class MemoryReadyQueue:
    """ReadyQueue in memory. Offering a run that is there already changes nothing."""

    def __init__(self) -> None:
        self._queues: dict[QueueKey, tuple[_Band, _Band, _Band]] = {}
        self._places: dict[str, tuple[QueueKey, int, str]] = {}
        self._served = 0.0
        self._signals: set[MemoryReadySignal] = set()

    async def offer(self, refs: Sequence[QueuedRef]) -> None:
        for ref in refs:
            if ref.run_id in self._places:
                continue
            number = (ref.priority > 0) - (ref.priority < 0) + 1
            bands = self._queues.get(ref.queue)
            if bands is None:
                bands = self._queues[ref.queue] = (_Band(STRIDES[0]), _Band(STRIDES[1]), _Band(STRIDES[2]))
            band = bands[number]
            if not band.tenants:
                band.passed = max(band.passed, self._served)
            band.tenants.setdefault(ref.site_id, OrderedDict())[ref.run_id] = ref
            self._places[ref.run_id] = (ref.queue, number, ref.site_id)
        for signal in self._signals:
            signal.add(ref.queue for ref in refs)

    async def take(self, queues: Sequence[QueueKey], limit: int, *, site_id: str | None = None) -> list[QueuedRef]:
        bands = [band for queue in queues for band in self._queues.get(queue, ())]
        taken: list[QueuedRef] = []
        while len(taken) < limit:
            best: _Band | None = None
            for band in bands:
                if (best is None or band.passed < best.passed) and _has(band, site_id):
                    best = band
            if best is None:
                break
            taken.append(self._pop(best, site_id))
        self._forget_empty(queues)
        return taken

    async def withdraw(self, run_id: str) -> None:
        place = self._places.pop(run_id, None)
        if place is not None:
            queue, number, site_id = place
            tenants = self._queues[queue][number].tenants
            del tenants[site_id][run_id]
            if not tenants[site_id]:
                del tenants[site_id]
            self._forget_empty([queue])

    async def depth(self) -> dict[QueueKey, int]:
        return {
            queue: sum(len(runs) for band in bands for runs in band.tenants.values())
            for queue, bands in self._queues.items()
        }

    def listen(self) -> MemoryReadySignal:
        signal = MemoryReadySignal(self._signals)
        self._signals.add(signal)
        return signal

    def _pop(self, band: _Band, site_id: str | None) -> QueuedRef:
        tenant = next(iter(band.tenants)) if site_id is None else site_id
        runs = band.tenants[tenant]
        run_id, ref = runs.popitem(last=False)
        if runs:
            band.tenants.move_to_end(tenant)
        else:
            del band.tenants[tenant]
        del self._places[run_id]
        self._served = max(self._served, band.passed)
        band.passed += band.stride
        return ref

    def _forget_empty(self, queues: Sequence[QueueKey]) -> None:
        for queue in queues:
            bands = self._queues.get(queue)
            if (
                bands is not None
                and not any(band.tenants for band in bands)
                and all(band.passed <= self._served for band in bands)
            ):
                del self._queues[queue]


class MemoryReadySignal:
    """Which queues got runs since the last call."""

    def __init__(self, listeners: set[MemoryReadySignal]) -> None:
        self._listeners = listeners
        self._queues: set[QueueKey] = set()
        self._news = asyncio.Event()

    def add(self, queues: Iterable[QueueKey]) -> None:
        """Note that these queues got runs."""
        self._queues.update(queues)
        self._news.set()

    async def changed(self) -> set[QueueKey]:
        await self._news.wait()
        self._news.clear()
        queues, self._queues = self._queues, set()
        return queues

    def close(self) -> None:
        self._listeners.discard(self)


def _has(band: _Band, site_id: str | None) -> bool:
    return bool(band.tenants) if site_id is None else site_id in band.tenants
