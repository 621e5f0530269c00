"""Workers that poll: seated like any other between their calls, with credit only while a call waits.

A poll's worker joins the fleet when it registers or with its first poll, and leaves when it has not called for
`dead_after_s`. Being handed a run counts as its accept, so a run that reaches the seat when no call waits is kept for
the next call, and dropped when its offer has run out by then. Orders wait for `PollControl` until they are
acknowledged. Nothing here is durable: a gateway that restarts sees a first call.
"""

from __future__ import annotations

import asyncio

from taskgate.edge.grpc.orders import Order
from taskgate.edge.grpc.owning import NOT_REGISTERED
from taskgate.edge.grpc.seat import Found, PollSeat
from taskgate.edge.workers.arrival import Arrival
from taskgate.edge.workers.naming import check_seat
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.errors import Conflict, NotFound, TaskgateError, Unauthenticated, Unavailable
from taskgate.events import WorkerLeft
from taskgate.fleet.fleet import REPLACED, REVOKED
from taskgate.fleet.holder import Holder
from taskgate.identity.principal import Principal
from taskgate.lifespan import TaskSet
from taskgate.wire.gateway_events import Helloed
from taskgate.wire.messages import Hello, Load, Receipt, Task, Welcome

LONGEST_S = 50.0
MOST_OFFERS = 256
NO_CREDIT = -(1 << 60)
CLAIMS_S = 1.0  # how long a call that ends waits for offers that are on their way to it


class Poller:
    """One worker between and during its calls."""

    def __init__(self, holder: Holder, seat: PollSeat, hello: Hello) -> None:
        self.holder = holder
        self.seat = seat
        self.offers_what = (names_of(hello), hello.labels)
        self.calling = False

    def is_as(self, hello: Hello) -> bool:
        """Whether a poll says nothing that was not known: it names the same, or nothing at all."""
        names = names_of(hello)
        return not names or (names, hello.labels) == self.offers_what


class Polls:
    """Every polling worker of this gateway."""

    def __init__(self, rooms: WorkerRooms) -> None:
        self._rooms = rooms
        self._pollers: dict[str, Poller] = {}
        self._tasks = TaskSet()

    async def start(self) -> None:
        self._tasks.spawn(self._forget_quiet(), name="quiet pollers")

    async def stop(self) -> None:
        await self._tasks.close()
        for poller in tuple(self._pollers.values()):
            await self._leave(poller)

    async def register(self, principal: Principal, hello: Hello) -> Welcome:
        """Seat a worker that will poll; what it said before is forgotten, its orders are not."""
        self._check_free(principal, hello.worker_id)
        _, welcome = await self._seat(principal, hello, is_simple=False)
        return welcome

    async def poll(
        self, principal: Principal, *, hello: Hello, lost: list[Receipt], offer_count: int, wait_s: float
    ) -> Found:
        """Renew what is held, then up to `offer_count` runs, waiting for the first one. Conflict: a second call."""
        poller, found = await self._seated(principal, hello)
        found.stop += lost
        poller.calling = True
        try:
            if hello.held:
                held = [receipt for receipt in hello.held if receipt not in found.stop]
                found.renewed, lost = await self._rooms.leasing.renew(held, poller.holder)
                found.stop += lost
            await self._wait(poller, hello, offer_count=min(offer_count, MOST_OFFERS), wait_s=wait_s, found=found)
        finally:
            poller.calling = False
            poller.holder.credit = NO_CREDIT
            self.seen(hello.worker_id)
        found.tasks = self._begun(poller)
        return found

    async def next_order(self, principal: Principal, worker_id: str, *, wait_s: float) -> tuple[str, Order] | None:
        """The oldest order that was not acknowledged, waiting for one; None when there is none in time."""
        seat, clock = self._known(principal, worker_id).seat, self._rooms.clock
        until = clock.monotonic() + min(max(wait_s, 0.0), LONGEST_S)
        while (found := seat.orders.first()) is None:
            self.seen(worker_id)
            left_s = until - clock.monotonic()
            if left_s <= 0:
                return None
            if seat.closed is not None:
                raise _ended(seat.closed)
            await seat.something(min(left_s, self._rooms.runs.heartbeat_s))
        self.seen(worker_id)
        return found

    def acknowledge(self, principal: Principal, worker_id: str, *, receipt_id: str) -> None:
        """The worker has this order. Forbidden for a receipt that it was not given."""
        self._known(principal, worker_id).seat.orders.acknowledge(receipt_id)
        self.seen(worker_id)

    def seen(self, worker_id: str, load: Load | None = None) -> None:
        """The worker gave a sign of life. One with a stream is none of ours: its stream alone proves that it lives."""
        poller = self._pollers.get(worker_id)
        if poller is not None:
            poller.holder.last_heartbeat_at = self._rooms.clock.monotonic()
            poller.holder.load = load or poller.holder.load

    def _known(self, principal: Principal, worker_id: str) -> Poller:
        poller = self._pollers.get(worker_id)
        self._check_free(principal, worker_id)
        if poller is None:
            raise NotFound(f"{worker_id} is not registered at this gateway", code=NOT_REGISTERED)
        return poller

    def _check_free(self, principal: Principal, worker_id: str) -> None:
        """The name is this credential's, and no stream has it."""
        check_seat(self._rooms, principal, worker_id=worker_id)
        seated, poller = self._rooms.fleet.find(worker_id), self._pollers.get(worker_id)
        if seated is not None and (poller is None or poller.holder is not seated):
            raise Conflict("this worker is connected over a stream", code="CONNECTED")

    async def _seated(self, principal: Principal, hello: Hello) -> tuple[Poller, Found]:
        """The worker's seat: the one it has, or a new one if it is new here or can do something else now."""
        self._check_free(principal, hello.worker_id)
        poller = self._pollers.get(hello.worker_id)
        if poller is not None and poller.seat.closed is None:
            if poller.calling:
                raise Conflict("this worker is polling already", code="POLL_IN_FLIGHT")
            if poller.is_as(hello):
                poller.holder.key_id, poller.holder.token_id = principal.id, principal.token_id
                poller.holder.lineage = principal.lineage
                return poller, Found()
        if not names_of(hello):
            raise NotFound(f"{hello.worker_id} is not registered at this gateway", code=NOT_REGISTERED)
        poller, welcome = await self._seat(principal, hello, is_simple=True)
        return poller, Found(stop=list(welcome.lost))

    async def _seat(self, principal: Principal, hello: Hello, *, is_simple: bool) -> tuple[Poller, Welcome]:
        earlier = self._pollers.get(hello.worker_id)
        seat = PollSeat(earlier.seat.orders if earlier is not None else None)
        arrival = Arrival(self._rooms, principal, transport="poll")
        async with self._rooms.lobby.place():
            holder, welcome = await arrival.of(Helloed(hello, is_simple), seat=seat)
        holder.credit = NO_CREDIT
        poller = self._pollers[hello.worker_id] = Poller(holder, seat, hello)
        return poller, welcome

    async def _wait(self, poller: Poller, hello: Hello, *, offer_count: int, wait_s: float, found: Found) -> None:
        """Wait for offers, for an order to stop, for the end of the call's time; then for what is under way."""
        seat, holder, clock = poller.seat, poller.holder, self._rooms.clock
        self._forget_dropped(poller, {receipt.run_id for receipt in hello.held})
        holder.slots = max(holder.slots, offer_count)
        holder.credit = holder.offered_count + offer_count
        self._rooms.dispatcher.wake(holder)
        until = clock.monotonic() + min(max(wait_s, 0.0), LONGEST_S)
        while not (seat.offers or found.stop):
            found.stop += [r for r in hello.held if seat.cancelled.get(r.run_id) == r.attempt]
            left_s = until - clock.monotonic()
            is_news = bool(found.stop) or (seat.draining is not None and not seat.is_drain_told)
            if left_s <= 0 or is_news or seat.closed is not None:
                break
            self.seen(hello.worker_id)
            await seat.something(min(left_s, self._rooms.runs.heartbeat_s))
        holder.credit = NO_CREDIT
        until = clock.monotonic() + CLAIMS_S
        while holder.offered_count > seat.delivered_count and clock.monotonic() < until:
            await seat.something(0.02)
        if seat.closed is not None and not seat.offers:
            if self._pollers.get(hello.worker_id) is poller:
                del self._pollers[hello.worker_id]
            raise _ended(seat.closed)
        found.drain, seat.is_drain_told = seat.draining, seat.draining is not None

    def _forget_dropped(self, poller: Poller, named: set[str]) -> None:
        """Runs that have ended and that the worker no longer names are no longer with it, nor is there an order."""
        poller.seat.cancelled = {r: attempt for r, attempt in poller.seat.cancelled.items() if r in named}
        held = poller.holder.held
        for run_id in [r for r in held if r not in named and self._rooms.leases.of_run(r, held[r]) is None]:
            del held[run_id]

    def _begun(self, poller: Poller) -> list[Task]:
        """The offers that can still be begun; from here on they are."""
        offers, poller.seat.offers = poller.seat.offers, []
        receipts = [Receipt(run_id=o.run_id, attempt=o.attempt, lease_token=o.lease_token) for o in offers]
        leasing, holder = self._rooms.leasing, poller.holder
        return [offer for offer, receipt in zip(offers, receipts, strict=True) if leasing.begin(receipt, holder)]

    async def _forget_quiet(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = self._rooms.clock.monotonic()
            for poller in tuple(self._pollers.values()):
                quiet_s = now - poller.holder.last_heartbeat_at
                if not poller.calling and quiet_s > self._rooms.link.dead_after_s:
                    await self._leave(poller)

    async def _leave(self, poller: Poller) -> None:
        if self._pollers.get(poller.holder.id) is poller:
            del self._pollers[poller.holder.id]
        if await self._rooms.fleet.leave(poller.holder):
            self._rooms.bus.publish(WorkerLeft(poller.holder.id, "stopped polling"))


def names_of(hello: Hello) -> list[str]:
    """What a worker says it can do, by name."""
    return sorted({*hello.capabilities, *(offer.name for offer in hello.tasks)})


def _ended(closed: tuple[int, str]) -> TaskgateError:
    """Why a seat that was closed serves no call any more."""
    code, reason = closed
    if code == REVOKED[0]:
        return Unauthenticated(reason)
    return Conflict("this worker is connected elsewhere") if code == REPLACED else Unavailable(reason)
