"""What a worker without a stream asks of the gateway beside runs: its leases renewed, its lines kept, its orders.

Nothing here brings work, and nothing here proves that a stream lives. Every call names its worker; whether the
credential may speak for it, and whether the leases are its, is judged before anything is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from taskgate.edge.grpc.admission import Context
from taskgate.edge.grpc.lines import Lines
from taskgate.edge.grpc.orders import Order
from taskgate.edge.grpc.owning import Caller, Owning
from taskgate.edge.grpc.polling import LONGEST_S, Polls
from taskgate.edge.grpc.reading import named_in, next_frame, only_frame, wait_of, worker_of
from taskgate.edge.workers.naming import check_name
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.errors import Forbidden
from taskgate.identity.principal import Principal
from taskgate.wire import gateway_pb2 as pb
from taskgate.wire import messages as m
from taskgate.wire import protobuf_codec as codec

Call = Callable[[Principal, Context], Awaitable[None]]


class Errands:
    """The methods."""

    def __init__(self, rooms: WorkerRooms, polls: Polls, owning: Owning) -> None:
        self._rooms = rooms
        self._polls = polls
        self._owning = owning

    def calls(self) -> dict[str, Call]:
        """The unary ones, by name."""
        return {"Heartbeat": self.heartbeat, "PollControl": self.poll_control, "AckControl": self.ack_control}

    async def heartbeat(self, principal: Principal, context: Context) -> None:
        """Renew the leases it names; answered after their commit."""
        request = codec.decode(await self._frame(context), pb.HeartbeatRequest)
        beat = codec.read(request.heartbeat, m.Heartbeat)
        worker_id = worker_of(context, request.worker_id or beat.worker_id)
        if beat.worker_id not in ("", worker_id):
            raise Forbidden("the heartbeat is another worker's", code="WRONG_WORKER")
        lost = await self._owning.check(principal, worker_id, receipts=beat.held)
        self._polls.seen(worker_id, beat.load)
        held = [receipt for receipt in beat.held if receipt not in lost]
        renewed, stop = await self._rooms.leasing.renew(held, Caller(worker_id, principal))
        ack = m.HeartbeatAck(nonce=beat.nonce, renewed=renewed, stop=lost + stop)
        await context.write(codec.to_proto(ack).SerializeToString())

    async def append_logs(self, principal: Principal, context: Context) -> None:
        """Keep what is said until the caller has said all; the answer names what is durable."""
        named, limit = named_in(context), self._rooms.link.max_frame_bytes
        if named:
            await check_name(self._rooms, principal, worker_id=named)

        async def read() -> m.Log | None:
            frame = await next_frame(context, limit)
            return None if frame is None else codec.read(codec.decode(frame, pb.Log), m.Log)

        async def check(receipt: m.Receipt) -> Caller:
            return await self._owning.check_lines(principal, receipt, named=named)

        acks, stale = await Lines(self._rooms.narrator, check=check, allowance=self._rooms.unwritten).keep(read)
        if named:
            self._polls.seen(named)
        answer = pb.AppendLogsResponse(
            durable=[codec.to_proto(ack) for ack in acks], stop=[codec.to_proto(receipt) for receipt in stale]
        )
        await context.write(answer.SerializeToString())

    async def poll_control(self, principal: Principal, context: Context) -> None:
        """The oldest order that was not acknowledged, at once or as soon as there is one."""
        request = codec.decode(await self._frame(context), pb.PollControlRequest)
        worker_id = worker_of(context, request.worker_id)
        asked_s = request.wait_s if request.HasField("wait_s") else None
        wait_s = wait_of(context, wait_s=asked_s, longest_s=LONGEST_S)
        found = await self._polls.next_order(principal, worker_id, wait_s=wait_s)
        await context.write(_told(found).SerializeToString())

    async def ack_control(self, principal: Principal, context: Context) -> None:
        """This order arrived; it does not come again."""
        request = codec.decode(await self._frame(context), pb.AckControlRequest)
        self._polls.acknowledge(principal, worker_of(context, request.worker_id), receipt_id=request.receipt_id)
        await context.write(pb.AckControlResponse().SerializeToString())

    async def _frame(self, context: Context) -> bytes:
        return await only_frame(context, self._rooms.link.max_frame_bytes)


def _told(found: tuple[str, Order] | None) -> pb.PollControlResponse:
    if found is None:
        return pb.PollControlResponse()
    receipt_id, order = found
    twin = codec.to_proto(order)
    if isinstance(order, m.Cancel):
        return pb.PollControlResponse(receipt_id=receipt_id, cancel=twin)
    if isinstance(order, m.Config):
        return pb.PollControlResponse(receipt_id=receipt_id, config=twin)
    return pb.PollControlResponse(receipt_id=receipt_id, drain=twin)
