"""The ready queue in memory: bands 1 : 4 : 16, tenants in turn, first in first out.

Every queue has three bands (priority below, at and above zero). Across all queues that a holder asks for, bands
are chosen by stride scheduling (Waldspurger & Weihl, 1995): each band of each queue has a pass that grows by the
inverse of its weight with every run taken, and the lowest pass is served next. A band that was idle comes back at
the present pass, so it neither owes nor is owed; one that is far behind its rivals, because those were served by
others as well, catches up with `LAG` and no more, so nobody starves (INV-T7). Within a band tenants take turns;
within a tenant runs leave in the order they came. Larger numbers within one band do not overtake.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heapreplace

from taskgate.runs.ports import QueuedRef
from taskgate.runs.task import QueueKey

STRIDES = (16.0, 4.0, 1.0)  # below zero, zero, above zero: weights 1, 4, 16
LAG = 2 * max(STRIDES)  # bands that only ever contend with each other never drift this far apart
MAX_DRAINED = 1000

Place = tuple[QueueKey, int, str]


class _Band:
    """One band of one queue: tenants in the order of their turn, each with its runs in order."""

    __slots__ = ("passed", "stride", "tenants")

    def __init__(self, stride: float) -> None:
        self.stride = stride
        self.passed = 0.0
        self.tenants: OrderedDict[str, OrderedDict[str, QueuedRef]] = OrderedDict()


class MemoryReadyQueue:
    """ReadyQueue in memory. Offering a run that is there changes nothing, at another place it moves there."""

    def __init__(self) -> None:
        self._queues: dict[QueueKey, tuple[_Band, ...]] = {}
        self._places: dict[str, Place] = {}
        self._served = 0.0
        self._drained: OrderedDict[QueueKey, None] = OrderedDict()
        self._signals: set[MemoryReadySignal] = set()

    async def offer(self, refs: Sequence[QueuedRef]) -> None:
        fresh: set[QueueKey] = set()
        for ref in refs:
            place = (ref.queue, (ref.priority > 0) - (ref.priority < 0) + 1, ref.site_id)
            known = self._places.get(ref.run_id)
            if known == place:
                continue
            if known is not None:
                self._remove(ref.run_id)
            self._put(ref, place)
            fresh.add(ref.queue)
        if fresh:
            for signal in self._signals:
                signal.add(fresh)

    async def take(self, queues: Sequence[QueueKey], limit: int, *, site_id: str | None = None) -> list[QueuedRef]:
        queues = list(dict.fromkeys(queues))
        rivals = self._rivals(queues, site_id)
        taken: list[QueuedRef] = []
        while rivals and len(taken) < limit:
            _, order, band = rivals[0]
            taken.append(self._pop(band, site_id))
            if _has(band, site_id):
                heapreplace(rivals, (band.passed, order, band))
            else:
                heappop(rivals)
        self._retire(queues)
        return taken

    async def withdraw(self, run_id: str) -> None:
        if run_id in self._places:
            self._remove(run_id)

    async def depth(self) -> dict[QueueKey, int]:
        return {
            queue: sum(len(runs) for band in bands for runs in band.tenants.values())
            for queue, bands in self._queues.items()
            if queue not in self._drained
        }

    def listen(self) -> MemoryReadySignal:
        signal = MemoryReadySignal(self._signals)
        self._signals.add(signal)
        return signal

    def _rivals(self, queues: list[QueueKey], site_id: str | None) -> list[tuple[float, int, _Band]]:
        """A heap of the bands that have something for this holder, the higher one first where two are level."""
        found: list[tuple[int, _Band]] = []
        for queue in queues:
            bands = self._queues.get(queue)
            if bands is not None:
                found += [(-number, band) for number, band in enumerate(bands) if _has(band, site_id)]
        floor = max((band.passed for _, band in found), default=0.0) - LAG
        for _, band in found:
            band.passed = max(band.passed, floor)
        found.sort(key=lambda rival: rival[0])
        rivals = [(band.passed, order, band) for order, (_, band) in enumerate(found)]
        heapify(rivals)
        return rivals

    def _put(self, ref: QueuedRef, place: Place) -> None:
        queue, number, site_id = place
        bands = self._queues.get(queue)
        if bands is None:
            bands = self._queues[queue] = tuple(map(_Band, STRIDES))
        self._drained.pop(queue, None)
        band = bands[number]
        if not band.tenants:
            band.passed = max(band.passed, self._served)
        band.tenants.setdefault(site_id, OrderedDict())[ref.run_id] = ref
        self._places[ref.run_id] = place

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

    def _remove(self, run_id: str) -> None:
        queue, number, site_id = self._places.pop(run_id)
        tenants = self._queues[queue][number].tenants
        del tenants[site_id][run_id]
        if not tenants[site_id]:
            del tenants[site_id]
        self._retire([queue])

    def _retire(self, queues: Iterable[QueueKey]) -> None:
        """Forget empty queues, but not before others had as much as their bands had; of `MAX_DRAINED` the oldest."""
        for queue in queues:
            bands = self._queues.get(queue)
            if bands is not None and not any(band.tenants for band in bands):
                self._drained[queue] = None
        while self._drained:
            queue = next(iter(self._drained))
            is_ahead = any(band.passed > self._served for band in self._queues[queue])
            if is_ahead and self._places and len(self._drained) <= MAX_DRAINED:
                break
            del self._queues[queue], self._drained[queue]


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
