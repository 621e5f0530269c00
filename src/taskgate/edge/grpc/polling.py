"""Workers that poll: seated like any other between their calls, with credit only while a call waits.

A poll's worker joins the fleet with its first call and leaves when it has not called for `dead_after_s`. Being
handed a run counts as its accept, so a run that reaches the seat when no call waits is kept for the next call, and
dropped when its offer has run out by then. Nothing here is durable: a gateway that restarts sees a first call.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from taskgate.edge.workers.arrival import Arrival
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.errors import Conflict, Forbidden, Unavailable
from taskgate.events import WorkerLeft
from taskgate.fleet.fleet import REPLACED
from taskgate.fleet.holder import Holder
from taskgate.identity.principal import Principal
from taskgate.lifespan import TaskSet
from taskgate.wire.gateway_events import Helloed
from taskgate.wire.messages import Hello, Receipt, Task, TaskResult

LONGEST_S = 50.0
MOST_OFFERS = 256
NO_CREDIT = -(1 << 60)
CLAIMS_S = 1.0  # how long a call that ends waits for offers that are on their way to it


@dataclass(slots=True)
class Found:
    """What a poll brings back."""

    tasks: list[Task] = field(default_factory=list)
    renewed: list[Receipt] = field(default_factory=list)
    stop: list[Receipt] = field(default_factory=list)


class PollSeat:
    """Where offers and orders wait for the next call of one worker."""

    def __init__(self) -> None:
        self.offers: list[Task] = []
        self.cancelled: dict[str, int] = {}
        self.delivered_count = 0
        self.news = asyncio.Event()
        self.closed: tuple[int, str] | None = None

    def offer(self, task: Task) -> None:
        """Keep the offer for the next answer."""
        self.offers.append(task)
        self.delivered_count += 1
        self.news.set()

    def cancel(self, run_id: str, attempt: int, *, reason: str) -> None:
        """Remember the order until a call that holds the run."""
        self.cancelled[run_id] = attempt
        self.news.set()

    def drain(self, *, reason: str, reconnect: bool, delay_s: float) -> None:
        """Nothing to say: a draining holder is offered nothing."""
        self.news.set()

    def close(self, code: int, reason: str) -> None:
        """The seat is another's, or the gateway ends."""
        self.closed = self.closed or (code, reason)
        self.news.set()


class Poller:
    """One worker between and during its calls."""

    def __init__(self, holder: Holder, seat: PollSeat, hello: Hello) -> None:
        self.holder = holder
        self.seat = seat
        self.offers_what = (sorted(hello.capabilities), hello.labels)
        self.calling = False


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

    async def poll(self, principal: Principal, *, hello: Hello, offer_count: int, wait_s: float) -> Found:
        """Renew what is held, then up to `offer_count` runs, waiting for the first one. Conflict: a second call."""
        poller, found = await self._seated(principal, hello)
        poller.calling = True
        try:
            if hello.held:
                found.renewed, lost = await self._rooms.leasing.renew([r for r in hello.held if r not in found.stop])
                found.stop += lost
            await self._wait(poller, hello, offer_count=min(offer_count, MOST_OFFERS), wait_s=wait_s, found=found)
        finally:
            poller.calling = False
            poller.holder.credit = NO_CREDIT
            self.seen(hello.worker_id)
        found.tasks = self._begun(poller)
        return found

    def seen(self, worker_id: str) -> None:
        """The worker gave a sign of life."""
        poller = self._pollers.get(worker_id)
        if poller is not None:
            poller.holder.last_heartbeat_at = self._rooms.clock.monotonic()

    def check_holder(self, principal: Principal, result: TaskResult, *, worker_id: str) -> None:
        """Forbidden when the result is of a run that another worker holds, or of a site that the key does not serve."""
        receipt = Receipt(run_id=result.run_id, attempt=result.attempt, lease_token=result.lease_token)
        held = self._rooms.leases.find(receipt)
        if held is None:
            return
        if held.worker_id != worker_id or not principal.serves(held.run.tenant.site_id):
            raise Forbidden("another worker holds this run", code="WRONG_WORKER")

    async def _seated(self, principal: Principal, hello: Hello) -> tuple[Poller, Found]:
        """The worker's seat: the one it has, or a new one if it is new here or can do something else now."""
        poller = self._pollers.get(hello.worker_id)
        if poller is not None and poller.seat.closed is None:
            if poller.holder.key_id != principal.id:
                raise Forbidden(f"the worker id {hello.worker_id} is in use with another key", code="WORKER_ID_TAKEN")
            if poller.calling:
                raise Conflict("this worker is polling already", code="POLL_IN_FLIGHT")
            if poller.offers_what == (sorted(hello.capabilities), hello.labels):
                return poller, Found()
        elif (seated := self._rooms.fleet.find(hello.worker_id)) is not None and seated.key_id == principal.id:
            raise Conflict("this worker is connected over a stream", code="CONNECTED")
        seat = PollSeat()
        holder, welcome = await Arrival(self._rooms, principal, transport="poll").of(Helloed(hello, True), seat=seat)
        holder.credit = NO_CREDIT
        poller = self._pollers[hello.worker_id] = Poller(holder, seat, hello)
        return poller, Found(stop=list(welcome.lost))

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
            if left_s <= 0 or found.stop or seat.closed is not None:
                break
            self.seen(hello.worker_id)
            await _news(seat, min(left_s, self._rooms.runs.heartbeat_s))
        holder.credit = NO_CREDIT
        until = clock.monotonic() + CLAIMS_S
        while holder.offered_count > seat.delivered_count and clock.monotonic() < until:
            await _news(seat, 0.02)
        if seat.closed is not None and not seat.offers:
            self._pollers.pop(hello.worker_id, None)
            raise (
                Conflict("this worker is connected elsewhere")
                if seat.closed[0] == REPLACED
                else Unavailable(seat.closed[1])
            )

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


async def _news(seat: PollSeat, seconds: float) -> None:
    seat.news.clear()
    try:
        async with asyncio.timeout(seconds):
            await seat.news.wait()
    except TimeoutError:
        return
