"""`taskgate.v1.GatewayService`: what each method does with a caller who was let in.

`Connect` is the worker link over one stream. `Register`, `Poll` and `Report` are for clients that make one call at a
time; what else such a worker needs of the gateway is in `errands`.
"""

from __future__ import annotations

from typing import Any

import grpc

from taskgate.edge.grpc.admission import Admission, Context, end
from taskgate.edge.grpc.errands import Errands
from taskgate.edge.grpc.owning import Caller, Owning
from taskgate.edge.grpc.polling import LONGEST_S, Polls
from taskgate.edge.grpc.reading import named_in, next_frame, only_frame, wait_of, worker_of
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.edge.workers.serving import serve
from taskgate.edge.workers.session import WorkerSession
from taskgate.errors import InvalidInput, LeaseLost
from taskgate.identity.principal import Principal
from taskgate.status import grpc_of_close
from taskgate.wire import gateway_pb2 as pb
from taskgate.wire import messages as m
from taskgate.wire import protobuf_codec as codec

SERVICE = "taskgate.v1.GatewayService"
COME_BACK_S = 1.0
APPENDING_S = 600.0  # the longest that one stream of log lines may last
UNAVAILABLE = int(grpc.StatusCode.UNAVAILABLE.value[0])


class GatewayService:
    """The methods of the service."""

    def __init__(self, rooms: WorkerRooms, polls: Polls) -> None:
        self._rooms = rooms
        self._polls = polls
        self._owning = Owning(rooms)
        self._errands = Errands(rooms, polls, self._owning)

    def handlers(self, admission: Admission) -> grpc.GenericRpcHandler:
        """Every method of the contract, guarded."""
        unary = {"Register": self.register, "Poll": self.poll, "Report": self.report, **self._errands.calls()}
        methods = {name: admission.guarded(call) for name, call in unary.items()}
        methods["AppendLogs"] = admission.guarded(self._errands.append_logs, deadline_s=APPENDING_S)
        methods["Connect"] = admission.guarded(self.connect, deadline_s=None)
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def connect(self, principal: Principal, context: Context) -> None:
        """The worker link. Ends with the status that stands for the WebSocket's close code."""
        limit = self._rooms.link.max_frame_bytes
        session = WorkerSession(self._rooms, principal, worker_id=named_in(context), transport="grpc")

        async def read() -> list[m.WorkerMessage] | None:
            frame = await next_frame(context, limit)
            return None if frame is None else codec.decode_worker_frame(frame)

        async def write(messages: Any) -> None:
            for frame in codec.encode_gateway_frames(messages, max_bytes=limit):
                await context.write(frame)

        code, reason = await serve(session, read=read, write=write)
        status = grpc_of_close(code)
        if status:
            after_s = COME_BACK_S if status == UNAVAILABLE else None
            await end(context, status, text=reason or f"closed with {code}", code=reason, after_s=after_s)

    async def register(self, principal: Principal, context: Context) -> None:
        """Seat a worker that will poll."""
        hello = codec.read(codec.decode(await self._frame(context), pb.Hello), m.Hello)
        worker_id = worker_of(context, hello.worker_id)
        await self._owning.check(principal, worker_id, receipts=[])
        if hello.versions and m.PROTOCOL_VERSION not in hello.versions:
            raise InvalidInput(f"this gateway speaks version {m.PROTOCOL_VERSION}", code="VERSION_UNSUPPORTED")
        await self._answer(context, codec.to_proto(await self._polls.register(principal, hello)))

    async def poll(self, principal: Principal, context: Context) -> None:
        """Hand out runs, at once or as soon as there are any."""
        request = codec.decode(await self._frame(context), pb.PollRequest)
        worker_id = worker_of(context, request.worker_id)
        held = [codec.read(receipt, m.Receipt) for receipt in request.held]
        lost = await self._owning.check(principal, worker_id, receipts=held)
        found = await self._polls.poll(
            principal,
            hello=m.Hello(
                worker_id=worker_id,
                capabilities=list(request.capabilities),
                labels=dict(request.labels),
                held=[receipt for receipt in held if receipt not in lost],
            ),
            lost=lost,
            offer_count=max(request.max_offers, 1),
            wait_s=wait_of(context, wait_s=request.wait_s if request.HasField("wait_s") else None, longest_s=LONGEST_S),
        )
        answer = pb.PollResponse(
            tasks=[codec.to_proto(task) for task in found.tasks],
            renewed=[codec.to_proto(receipt) for receipt in found.renewed],
            stop=[codec.to_proto(receipt) for receipt in found.stop],
            drain=None if found.drain is None else codec.to_proto(found.drain),
        )
        await self._answer(context, answer)

    async def report(self, principal: Principal, context: Context) -> None:
        """The end of an attempt; OK only when it counts."""
        request = codec.decode(await self._frame(context), pb.ReportRequest)
        worker_id = worker_of(context, request.worker_id)
        result = codec.read(request.result, m.TaskResult)
        if not (result.run_id and result.attempt > 0 and result.lease_token):
            raise InvalidInput("a result needs run_id, attempt and lease_token")
        receipt = m.Receipt(run_id=result.run_id, attempt=result.attempt, lease_token=result.lease_token)
        await self._owning.check_known(principal, worker_id, receipts=[receipt])
        (ack,) = await self._rooms.reports.results([result], Caller(worker_id, principal))
        if ack.verdict == "stale":
            raise LeaseLost("this attempt does not hold the run any more")
        self._polls.seen(worker_id)
        await self._answer(context, codec.to_proto(ack))

    async def _frame(self, context: Context) -> bytes:
        return await only_frame(context, self._rooms.link.max_frame_bytes)

    async def _answer(self, context: Context, answer: Any) -> None:
        await context.write(answer.SerializeToString())
