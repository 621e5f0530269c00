"""One connected worker: its link on one side, the gateway's rooms on the other. No socket in it.

A transport pushes messages in (`receive`), pulls messages out (`seat.outgoing`) and runs `run` beside both. What came
in is worked off in batches: everything that arrived while the last batch was being committed is the next one, so
a busy worker costs one commit for many results. A run's lines are durable before its result is applied, because its
journal must be whole when its end is told; they are recorded beside everything else (`recording`), so that a journal
which is slow or away delays nothing but those results.

If the ledger is away the link is closed with 1013: the worker keeps what was not acknowledged and sends it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from taskgate.edge.workers.arrival import Arrival
from taskgate.edge.workers.counters import RoundTrips
from taskgate.edge.workers.lobby import CROWDED
from taskgate.edge.workers.recording import Recording, written
from taskgate.edge.workers.renewals import Renewals
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.edge.workers.seat import WorkerSeat
from taskgate.errors import NotNow, RemoteLinkError, StoreError, TaskgateError, Unavailable
from taskgate.events import WorkerLeft
from taskgate.fleet.fleet import REVOKED
from taskgate.fleet.holder import Holder
from taskgate.identity.principal import Principal
from taskgate.lifespan import TaskSet
from taskgate.status import row_of
from taskgate.wire import gateway_events as e
from taskgate.wire import messages as m
from taskgate.wire.gateway_link import GatewayLink
from taskgate.wire.link import Phase

_log = logging.getLogger(__name__)
NORMAL = 1000
FORBIDDEN = 4403
HEARTBEAT_MISSED = 4408
TRY_LATER = 1013
IN_LIMIT = 10_000
LONGEST_TICK_S = 30.0
EXPIRED_S = 60.0
EXPIRED = (4401, "the credential has expired")
_OTHERS = (e.BeatReceived, e.Draining, e.Left, e.CredentialOffered, e.Violation, e.WorkerDead)


class WorkerSession:
    """Drives one `GatewayLink`; what goes out goes through `seat`."""

    def __init__(self, rooms: WorkerRooms, principal: Principal, *, worker_id: str, transport: str) -> None:
        self._rooms = rooms
        self._principal = principal
        self._transport = transport
        self._link = GatewayLink(rooms.clock.monotonic(), worker_id)
        self._holder: Holder | None = None
        self._events: list[e.GatewayEvent] = []
        self._news = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._tasks = TaskSet()
        self._recording = Recording(
            rooms.narrator,
            rooms.unwritten,
            tell=self._recorded,
            again=lambda: self.seat.close(TRY_LATER, "say it again"),
            tasks=self._tasks,
        )
        self._has_expired = False
        self._renewals = Renewals(rooms)
        self._trips = RoundTrips(rooms.counters, transport)
        self.seat = WorkerSeat(
            self._link, rooms.clock, on_events=self._happened, on_close=self._wake, round_trips=self._trips
        )

    @property
    def simple(self) -> bool:
        """Whether the other side takes one message per frame."""
        return self._link.simple

    # ---------------------------------------------------------------- the transport's side

    def receive(self, messages: Sequence[m.WorkerMessage]) -> None:
        """Take one frame. A frame that breaks the protocol closes the session with the error's code."""
        self._take(messages)
        self.seat.news.set()

    def answer(self, messages: Sequence[m.WorkerMessage]) -> list[m.GatewayMessage] | None:
        """Take one frame and hand out what is to be sent for it now, so that no writer has to be woken; None, and
        nothing is taken, while there is anything else to send."""
        if not self.seat.is_idle:
            return None
        self._take(messages)
        return self._link.outgoing()

    def _take(self, messages: Sequence[m.WorkerMessage]) -> None:
        now = self._rooms.clock.monotonic()
        try:
            for message in messages:
                earlier = self._earlier(message) if self._link.simple else None
                if earlier is not None:
                    self._events.append(e.ResultReceived(earlier))
                    continue
                for event in self._link.received(message, now):
                    if type(event) is e.BeatReceived and not event.held:
                        self._beat(event)  # most of what an idle fleet says: nobody is woken for it
                    else:
                        self._events.append(event)
        except RemoteLinkError as error:
            self.refuse(error)
        if self._events:
            self._news.set()
        if len(self._events) > IN_LIMIT:
            self._drained.clear()

    def _earlier(self, message: m.WorkerMessage) -> m.TaskResult | None:
        """A simple client's result of a run that it got over an earlier connection, completed from the lease."""
        if type(message) is not m.TaskResult or self._holder is None or self._link.phase is not Phase.OPEN:
            return None
        run_id = message.run_id or message.tracking_id
        held = self._rooms.leases.of_run(run_id)
        if message.worker_id not in ("", self._holder.id):
            return None
        if any(receipt.run_id == run_id for receipt in self._link.held()):
            return None
        if held is None and self._rooms.fleet.neighbours is not None:
            return msgspec.structs.replace(message, run_id=run_id, lease_token="")  # perhaps another gateway gave it
        if held is None or not held.is_with(self._holder):
            return None
        token = held.receipt.lease_token
        return msgspec.structs.replace(message, run_id=run_id, attempt=held.run.attempt, lease_token=token)

    async def room(self) -> None:
        """Wait until what came in has been worked off far enough to read more."""
        await self._drained.wait()
        await self._recording.room(keeps=not self._link.simple)

    async def run(self) -> None:
        """Work off events and watch the time until the session is closed and all that came before was worked off."""
        self._tasks.spawn(self._tick(), name="worker link timer")
        try:
            while await self._has_more():
                await self._news.wait()
                self._news.clear()
                events, self._events = self._events, []
                self._drained.set()
                try:
                    await self._work(events)
                except (NotNow, StoreError) as error:
                    _log.warning("worker %s is asked to come back: %s", self._link.worker_id, error)
                    self.seat.close(TRY_LATER, "try again later")
                except TaskgateError as error:
                    self.refuse(error)
        finally:
            await self._leave()

    async def _has_more(self) -> bool:
        """Whether there is or may come anything to work off."""
        if self.seat.closed is not None and not self._events:
            await self._recording.finish()
        return self.seat.closed is None or bool(self._events)

    def refuse(self, error: TaskgateError) -> None:
        """Say what is wrong, then close with the error's code."""
        if self.seat.closed is None:
            self.seat.say(m.Failure(code=error.code, detail=error.detail))
            self.seat.close(row_of(error).close, error.code)

    # ---------------------------------------------------------------- working off

    async def _work(self, events: list[e.GatewayEvent]) -> None:
        """Work off a batch: who arrived and what began, then lines, then results, then everything else."""
        for event in events:
            if isinstance(event, e.Helloed):
                if self.seat.closed is None:
                    await self._arrive(event)
            elif isinstance(event, e.Accepted):
                self._begin(event.accept)
        if self._holder is not None:
            await self._hear(events, self._holder)
        for other in [event for event in events if isinstance(event, _OTHERS)]:
            await self._other(other)
        self._count_credit()

    async def _hear(self, events: list[e.GatewayEvent], holder: Holder) -> None:
        """What the worker says of attempts: only of its own it is believed, whatever receipt it shows."""
        writes = [w for event in events if (w := written(event)) is not None]
        if writes:
            self._recording.take(writes, holder, keeps=not self._link.simple)
        if any(isinstance(event, e.Left) for event in events):
            await self._recording.finish()  # its leases end with it, and lines count only under them
        results = self._recording.ready([event.result for event in events if isinstance(event, e.ResultReceived)])
        if results:
            for ack in await self._rooms.reports.results(results, holder, may_be_bare=True):
                self._rooms.probe("apply|ack")
                self.seat.say(ack)
        refusals = [event.refuse for event in events if isinstance(event, e.Refused)]
        if refusals:
            self._rooms.counters.count_refused(refuse.reason for refuse in refusals)
            await self._rooms.reports.refused(holder, refusals)
        stops = [event.stopped for event in events if isinstance(event, e.StoppedReported)]
        if stops:
            await self._rooms.reports.stopped(holder, stops)

    async def _other(self, event: e.GatewayEvent) -> None:
        if isinstance(event, e.BeatReceived):
            self._beat(event)
        elif isinstance(event, e.Draining):
            self._stop_offers()
        elif isinstance(event, e.Left):
            self._stop_offers()
            if self._holder is not None:
                await self._rooms.reports.lost_receipts(self._holder, event.held, reason="the worker left")
            self.seat.close(NORMAL, "goodbye")
        elif isinstance(event, e.CredentialOffered):
            await self._renew_credential(event.token)
        elif isinstance(event, e.Violation):
            self.seat.close(FORBIDDEN, event.code)
        elif isinstance(event, e.WorkerDead):
            self.seat.close(HEARTBEAT_MISSED, f"no {event.reason} in time")

    async def _renew_credential(self, token: str) -> None:
        """Another credential for the same worker, or the present token renewed; a link whose old one had run out gets
        offers again."""
        fresh, answer = await self._renewals.of(self._principal, token, worker_id=self._link.worker_id)
        if answer is not None:
            self.seat.say(answer)
        if fresh is None:
            return
        self._principal = fresh
        if self._holder is not None:
            self._holder.key_id, self._holder.token_id = fresh.id, fresh.token_id
            self._holder.lineage = fresh.lineage
            if self._has_expired:
                self._has_expired = self._holder.draining = False
                self._rooms.dispatcher.wake(self._holder)

    async def _look_at_credential(self) -> float:
        """No offers behind its end, and the link's end a minute later; seconds until the next look."""
        ends_at, now = self._principal.expires_at, self._rooms.clock.now()
        if ends_at is not None and now >= ends_at + EXPIRED_S:
            self.seat.close(*EXPIRED)
        elif ends_at is not None and now >= ends_at:
            if self._holder is not None and not self._holder.draining:
                self._has_expired = self._holder.draining = True
        elif self._holder is not None and not await self._rooms.holds(self._principal):
            self.seat.close(*REVOKED)
        if ends_at is None:
            return LONGEST_TICK_S
        return max((ends_at if now < ends_at else ends_at + EXPIRED_S) - now, 0.05)

    async def _arrive(self, event: e.Helloed) -> None:
        arrival = Arrival(self._rooms, self._principal, transport=self._transport)
        try:
            async with self._rooms.lobby.place():
                if self.seat.closed is not None:
                    return  # it has left while it waited
                holder, welcome = await arrival.of(event, seat=self.seat)
        except Unavailable as error:
            if error.code == CROWDED:
                self.seat.drain(reason=error.detail, reconnect=True, delay_s=error.retry_after_s)
            raise
        self._holder = holder
        self.seat.say(welcome)
        self._count_credit()

    def _begin(self, accept: m.Accept) -> None:
        self._trips.accepted(accept.run_id, accept.attempt, now=self._rooms.clock.monotonic())
        receipt = m.Receipt(run_id=accept.run_id, attempt=accept.attempt, lease_token=accept.lease_token)
        if self._holder is None or not self._rooms.leasing.begin(receipt, self._holder):
            self.seat.cancel(accept.run_id, accept.attempt, reason="lost")

    def _beat(self, event: e.BeatReceived) -> None:
        holder = self._holder
        if holder is None:
            return
        holder.last_heartbeat_at = self._rooms.clock.monotonic()
        holder.load = event.load or holder.load
        if event.held:
            self._tasks.spawn(self._renew(event.nonce, event.held, holder), name="lease renewal")

    async def _renew(self, nonce: str, held: list[m.Receipt], holder: Holder) -> None:
        renewed, stop = await self._rooms.leasing.renew(held, holder)
        if renewed or stop:
            self.seat.say(m.HeartbeatAck(nonce=nonce, renewed=renewed, stop=stop))

    def _recorded(self, acks: list[m.LogAck], stale: list[m.Receipt], results: list[m.TaskResult]) -> None:
        for ack in acks:
            self.seat.say(ack)
        for receipt in stale:
            self.seat.cancel(receipt.run_id, receipt.attempt, reason="lost")
        if results:
            self._happened([e.ResultReceived(result) for result in results])

    def _count_credit(self) -> None:
        """Tell the fleet how many offers this worker takes; cumulative, like `ready` itself."""
        holder = self._holder
        if holder is None:
            return
        credit = self.seat.sent_count + self._link.room
        if credit > holder.credit:
            holder.credit = credit
            self._rooms.dispatcher.wake(holder)

    def _stop_offers(self) -> None:
        """Nothing goes to a link that ends: what would, would wait for its offer to run out."""
        if self._holder is not None:
            self._holder.draining = True

    def _happened(self, events: list[e.GatewayEvent]) -> None:
        self._events.extend(events)
        self._news.set()

    def _wake(self) -> None:
        self._stop_offers()
        self._news.set()
        self._drained.set()
        self._recording.close()

    async def _tick(self) -> None:
        while self.seat.closed is None:
            now = self._rooms.clock.monotonic()
            events = self._link.tick(now)
            if events:
                self._happened(list(events))
            left_s = await self._look_at_credential()
            await asyncio.sleep(min(max(self._link.next_tick_at() - now, 0.05), LONGEST_TICK_S, left_s))

    async def _leave(self) -> None:
        holder, self._holder = self._holder, None
        self.seat.close(NORMAL, "")
        await self._tasks.close()
        self._recording.forget()
        if holder is None or not await self._rooms.fleet.leave(holder):
            return
        if self.seat.closed == REVOKED:
            await self._disown(holder)
        self._rooms.bus.publish(WorkerLeft(holder.id, self.seat.closed[1] if self.seat.closed else ""))

    async def _disown(self, holder: Holder) -> None:
        """What a revoked key's worker holds goes to others at once (INV-A5); a store that is away leaves it to time."""
        try:
            await self._rooms.reports.lost(self._rooms.leases.of_worker(holder.id), reason=REVOKED[1])
        except (NotNow, StoreError) as error:
            _log.warning("leases of %s run on: %s", holder.id, error)
