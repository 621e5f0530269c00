"""`taskgate.v1.GatewayService`: what each method does with a caller who was let in.

`Connect` is the worker link over one stream. `Poll` and `Report` are for clients that make one call at a time. The
other methods of the contract answer UNIMPLEMENTED with a word about what to use instead.
"""

from __future__ import annotations

from typing import Any

import grpc

from taskgate.edge.grpc.admission import Admission, Context, end
from taskgate.edge.grpc.polling import Polls
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.edge.workers.serving import serve
from taskgate.edge.workers.session import WorkerSession
from taskgate.errors import Forbidden, InvalidInput, LeaseLost, RemoteLinkError
from taskgate.identity.principal import Principal
from taskgate.ids import is_worker_id
from taskgate.status import grpc_of_close
from taskgate.wire import gateway_pb2 as pb
from taskgate.wire import messages as m
from taskgate.wire import protobuf_codec as codec

SERVICE = "taskgate.v1.GatewayService"
LATER = {
    "Register": "registering a polling worker comes later: Poll names what it can do",
    "Heartbeat": "leases are renewed on Connect, or by `held` of Poll",
    "AppendLogs": "logs are appended on Connect",
    "PollControl": "orders come on Connect, or in `stop` of Poll",
    "AckControl": "orders come on Connect, or in `stop` of Poll",
}
COME_BACK_S = 1.0
UNAVAILABLE = int(grpc.StatusCode.UNAVAILABLE.value[0])
UNIMPLEMENTED = int(grpc.StatusCode.UNIMPLEMENTED.value[0])


class GatewayService:
    """The methods of the service."""

    def __init__(self, rooms: WorkerRooms, polls: Polls) -> None:
        self._rooms = rooms
        self._polls = polls

    def handlers(self, admission: Admission) -> grpc.GenericRpcHandler:
        """Every method of the contract, guarded."""
        calls = {"Connect": self.connect, "Poll": self.poll, "Report": self.report}
        methods = {name: admission.guarded(call) for name, call in calls.items()}
        methods |= {name: admission.guarded(_later(text)) for name, text in LATER.items()}
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def connect(self, principal: Principal, context: Context) -> None:
        """The worker link. Ends with the status that stands for the WebSocket's close code."""
        limit = self._rooms.link.max_frame_bytes
        session = WorkerSession(self._rooms, principal, worker_id=_named(context), transport="grpc")

        async def read() -> list[m.WorkerMessage] | None:
            frame = await _frame(context, limit)
            return None if frame is None else codec.decode_worker_frame(frame)

        async def write(messages: Any) -> None:
            for frame in codec.encode_gateway_frames(messages, max_bytes=limit):
                await context.write(frame)

        code, reason = await serve(session, read=read, write=write)
        status = grpc_of_close(code)
        if status:
            after_s = COME_BACK_S if status == UNAVAILABLE else None
            await end(context, status, text=reason or f"closed with {code}", code=reason, after_s=after_s)

    async def poll(self, principal: Principal, context: Context) -> None:
        """Hand out runs, at once or as soon as there are any."""
        request = codec.decode(await self._message(context), pb.PollRequest)
        if not is_worker_id(request.worker_id) or _named(context) not in ("", request.worker_id):
            raise InvalidInput("worker_id is 1-128 characters of A-Za-z0-9_.:@-, the same everywhere in a call")
        left_s: float | None = context.time_remaining()
        found = await self._polls.poll(
            principal,
            hello=m.Hello(
                worker_id=request.worker_id,
                capabilities=list(request.capabilities),
                labels=dict(request.labels),
                held=[codec.read(receipt, m.Receipt) for receipt in request.held],
            ),
            offer_count=max(request.max_offers, 1),
            wait_s=min(request.wait_s if request.HasField("wait_s") else 50.0, 1e9 if left_s is None else left_s - 1.0),
        )
        answer = pb.PollResponse(
            tasks=[codec.to_proto(task) for task in found.tasks],
            renewed=[codec.to_proto(receipt) for receipt in found.renewed],
            stop=[codec.to_proto(receipt) for receipt in found.stop],
        )
        await context.write(answer.SerializeToString())

    async def report(self, principal: Principal, context: Context) -> None:
        """The end of an attempt; OK only when it counts."""
        request = codec.decode(await self._message(context), pb.ReportRequest)
        result = codec.read(request.result, m.TaskResult)
        if not (result.run_id and result.attempt > 0 and result.lease_token):
            raise InvalidInput("a result needs run_id, attempt and lease_token")
        self._polls.check_holder(principal, result, worker_id=request.worker_id)
        (ack,) = await self._rooms.reports.results([result], worker_id=request.worker_id)
        if ack.verdict == "stale":
            raise LeaseLost("this attempt does not hold the run any more")
        self._polls.seen(request.worker_id)
        await context.write(codec.to_proto(ack).SerializeToString())

    async def _message(self, context: Context) -> bytes:
        frame = await _frame(context, self._rooms.link.max_frame_bytes)
        if frame is None:
            raise RemoteLinkError("the call ended without its message", code="MALFORMED")
        return frame


async def _frame(context: Context, limit_bytes: int) -> bytes | None:
    """The next message as bytes; None at the end of the stream."""
    frame = await context.read()
    if not isinstance(frame, bytes):
        return None
    if len(frame) > limit_bytes:
        raise RemoteLinkError(f"a message of more than {limit_bytes} bytes", code="FRAME_TOO_LARGE")
    return frame


def _named(context: Context) -> str:
    """The worker id that the metadata names, empty when it names none; Forbidden when no worker can be called so."""
    for name, value in context.invocation_metadata() or ():
        if name == "x-worker-id":
            text = value if isinstance(value, str) else value.decode(errors="replace")
            if not is_worker_id(text):
                raise Forbidden("x-worker-id is no usable worker id", code="BAD_WORKER_ID")
            return text
    return ""


def _later(text: str) -> Any:
    async def call(_: Principal, context: Context) -> None:
        await end(context, UNIMPLEMENTED, text=text, code="NOT_YET")

    return call
