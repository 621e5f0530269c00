"""A worker says hello: may it, which of its tasks count, what does it still hold?

The credential decides the identity (`naming`). A hello from another process under the same id (another `instance`)
means that the older process is dead; what that one held and this one does not is released at once.
"""

from __future__ import annotations

from taskgate.edge.workers.naming import check_name, check_seat
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.errors import Conflict, InvalidInput
from taskgate.events import WorkerJoined
from taskgate.fleet.holder import Holder, Seat
from taskgate.identity.principal import Principal
from taskgate.runs.task import SHARED
from taskgate.wire.gateway_events import Helloed
from taskgate.wire.messages import Hello, Receipt, TaskOffer, Welcome

MAX_TASKS = 1000
MAX_LABELS = 64
MAX_SLOTS = 4096


class Arrival:
    """Judges hellos."""

    def __init__(self, rooms: WorkerRooms, principal: Principal, *, transport: str) -> None:
        self._rooms = rooms
        self._principal = principal
        self._transport = transport

    async def of(self, event: Helloed, *, seat: Seat) -> tuple[Holder, Welcome]:
        """Seat the worker; returns its holder and the answer. Forbidden or InvalidInput when it may not come in."""
        hello, rooms = event.hello, self._rooms
        self._principal.require("worker")
        site_id = None if self._principal.may("serve:*") else self._principal.site_id
        await check_name(rooms, self._principal, worker_id=hello.worker_id)
        offers = _offers(hello)
        refused = await rooms.declarations.offered(site_id or SHARED, offers)
        tasks: dict[str, frozenset[str]] = {}
        for offer in offers:
            if offer.name not in refused:
                tasks[offer.name] = tasks.get(offer.name, frozenset()) | {offer.version}
        holder = Holder(
            hello.worker_id,
            seat,
            instance=hello.instance,
            site_id=site_id,
            key_id=self._principal.id,
            token_id=self._principal.token_id,
            lineage=self._principal.lineage,
            transport=self._transport,
            tasks=tasks,
            labels=hello.labels,
            slots=1 if event.simple else min(max(hello.slots, 1), MAX_SLOTS),
            now=rooms.clock.monotonic(),
            metadata=hello.metadata,
        )
        holder.draining = hello.draining
        # Again: nothing is awaited between this look and the seat.
        check_seat(rooms, self._principal, worker_id=holder.id)
        try:
            await rooms.fleet.join(holder)
            lost = await rooms.leasing.adopt(holder, hello.held)
            if rooms.fleet.find(holder.id) is not holder:
                raise Conflict("replaced by a newer connection", code="CONNECTED")
            await self._release_elder(hello)
        except BaseException:
            await rooms.fleet.leave(holder)
            raise
        rooms.bus.publish(WorkerJoined(hello.worker_id, self._transport))
        return holder, self._welcome(hello, refused, lost)

    async def _release_elder(self, hello: Hello) -> None:
        still_held = {(receipt.run_id, receipt.attempt) for receipt in hello.held}
        gone = [
            held
            for held in self._rooms.leases.of_worker(hello.worker_id)
            if held.instance != hello.instance and (held.run.id, held.run.attempt) not in still_held
        ]
        await self._rooms.reports.lost(gone, reason="the worker's link process died")

    def _welcome(self, hello: Hello, refused: dict[str, str], lost: list[Receipt]) -> Welcome:
        runs, link = self._rooms.runs, self._rooms.link
        return Welcome(
            worker_id=hello.worker_id,
            heartbeat_s=runs.heartbeat_s,
            dead_after_s=link.dead_after_s,
            lease_s=runs.lease_s,
            offer_s=runs.offer_s,
            max_frame_bytes=link.max_frame_bytes,
            max_output_bytes=runs.max_output_bytes,
            refused=refused,
            lost=lost,
        )


def _offers(hello: Hello) -> list[TaskOffer]:
    """Everything that a hello offers: full descriptions, bare names. InvalidInput for more than a worker may say."""
    if len(hello.labels) > MAX_LABELS or len(hello.tasks) + len(hello.capabilities) > MAX_TASKS:
        raise InvalidInput(f"a worker has at most {MAX_TASKS} tasks and {MAX_LABELS} labels", code="HELLO_TOO_LARGE")
    described = {offer.name for offer in hello.tasks}
    return [*hello.tasks, *(TaskOffer(name=name) for name in hello.capabilities if name not in described)]
