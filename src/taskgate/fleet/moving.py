"""A worker that is connected to two gateways: the newer connection wins everywhere (S36).

Every arrival is announced. Who hears of an arrival elsewhere closes its own connection of that worker: what it hears
of now is newer than what it has, whatever the clocks say. Only where both came within `AT_ONCE_S` the announcements may
have crossed, and then the later of the two moments counts, or the later name. An announcement that nobody heard is made
up for by the board: a worker that two gateways have claimed for several readings is left to the one that it came to
last.
An operator's drain of a worker that is connected elsewhere goes the same way.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import msgspec

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.events import WorkerJoined, WorkerLeft
from taskgate.fleet.fleet import REPLACED, WORKERS, Fleet
from taskgate.fleet.holder import Holder
from taskgate.fleet.neighbours import Neighbours
from taskgate.lifespan import TaskSet
from taskgate.rereading import Announcer, News

_log = logging.getLogger(__name__)
TOPIC = "workers"
DOUBTS = 3
AT_ONCE_S = 1.0

OnMoved = Callable[["Arrived"], Awaitable[None]]


class Arrived(msgspec.Struct, frozen=True, tag="arrived"):
    """A worker came to a gateway at that moment (epoch seconds), holding these attempts of runs."""

    gateway: str
    worker_id: str
    instance: str
    at: float
    held: list[tuple[str, int]]


class DrainAsked(msgspec.Struct, frozen=True, tag="drain"):
    """Whoever has this worker shall drain it."""

    worker_id: str


class Moving:
    """A part: announces arrivals and gives way to newer ones. `on_moved` settles what the worker held here."""

    def __init__(
        self,
        signals: Announcer,
        *,
        name: str,
        bus: Bus,
        fleet: Fleet,
        neighbours: Neighbours,
        clock: Clock,
        on_moved: OnMoved,
    ) -> None:
        self._signals = signals
        self._name = name
        self._fleet = fleet
        self._neighbours = neighbours
        self._clock = clock
        self._on_moved = on_moved
        self._doubts: dict[str, int] = {}
        self.tasks = TaskSet()
        bus.subscribe(WorkerJoined, self._joined)
        bus.subscribe(WorkerLeft, lambda _: neighbours.nudge())
        neighbours.on_read.append(self._compare)

    async def start(self) -> None:
        self.tasks.spawn(self._listen(self._signals.subscribe(TOPIC)), name="news of workers")

    async def stop(self) -> None:
        await self.tasks.close()

    async def ask_drain(self, worker_id: str) -> None:
        """Have a worker of another gateway drained."""
        await self._signals.publish(TOPIC, msgspec.json.encode(DrainAsked(worker_id)))

    def _joined(self, event: WorkerJoined) -> None:
        holder = self._fleet.find(event.worker_id)
        if holder is None or holder.target != WORKERS:
            return
        at = self._arrived_at(holder)
        news = Arrived(self._name, holder.id, holder.instance, at, list(holder.held.items()))
        self.tasks.spawn(self._signals.publish(TOPIC, msgspec.json.encode(news)), name="announcing a worker")
        self._neighbours.nudge()

    async def _listen(self, news: News) -> None:
        try:
            while True:
                message = await news.next()
                if not message:
                    self._neighbours.nudge()  # what was missed is on the board
                    continue
                try:
                    said: Arrived | DrainAsked = msgspec.json.decode(message, type=Arrived | DrainAsked)
                except msgspec.MsgspecError:
                    continue
                if isinstance(said, DrainAsked):
                    self._drain(said.worker_id)
                else:
                    await self._arrived(said)
        finally:
            news.close()

    async def _arrived(self, said: Arrived) -> None:
        if said.gateway == self._name:
            return
        holder = self._fleet.find(said.worker_id)
        if holder is not None:
            is_recent = self._clock.monotonic() - holder.connected_at < AT_ONCE_S
            if is_recent and (self._arrived_at(holder), self._name) > (said.at, said.gateway):
                return
            _give_way(holder)
        try:
            await self._on_moved(said)
        except (NotNow, StoreError) as error:
            _log.warning("leases of %s run on: %s", said.worker_id, error)

    def _arrived_at(self, holder: Holder) -> float:
        """Epoch seconds, to the millisecond: the same whenever it is asked."""
        return round(self._clock.now() - (self._clock.monotonic() - holder.connected_at), 3)

    def _drain(self, worker_id: str) -> None:
        holder = self._fleet.find(worker_id)
        if holder is not None:
            holder.draining = True
            holder.seat.drain(reason="asked by an operator", reconnect=False, delay_s=0.0)

    def _compare(self) -> None:
        """Two gateways that have one worker for several readings have missed each other's news."""
        doubts: dict[str, int] = {}
        for worker_id, other in self._neighbours.elsewhere().items():
            holder = self._fleet.find(worker_id)
            if holder is None or holder.target != WORKERS:
                continue
            doubts[holder.id] = self._doubts.get(holder.id, 0) + 1
            if doubts[holder.id] >= DOUBTS and other.connected_at > self._arrived_at(holder):
                _give_way(holder)
        self._doubts = doubts


def _give_way(holder: Holder) -> None:
    holder.draining = True
    holder.seat.close(REPLACED, "replaced by a newer connection")
