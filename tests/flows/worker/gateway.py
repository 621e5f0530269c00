"""A gateway made of nothing but `GatewayLink` and a socket, over either transport, that does as the test says."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from taskgate.wire import gateway_events as e
from taskgate.wire import messages as m
from taskgate.wire import protobuf_codec
from taskgate.wire.gateway_link import GatewayLink
from taskgate.wire.json_codec import decode_worker_frame, encode_frames

KEY = "tg_flows_key"


class FakeGateway:
    """Offers what is put into `offers`, remembers what it is told, answers unless told not to."""

    def __init__(self) -> None:
        self.url = ""
        self.grpc_address = ""
        self.hellos: list[m.Hello] = []
        self.accepts: list[str] = []
        self.refusals: list[m.Refuse] = []
        self.results: list[m.TaskResult] = []
        self.logs: dict[str, list[m.LogLine]] = {}
        self.progress: list[m.Progress] = []
        self.stopped: list[str] = []
        self.left: list[e.Left] = []
        self.beats: list[e.BeatReceived] = []
        self.offers: deque[m.Task] = deque()
        self.link: GatewayLink | None = None
        self.acks_results = True
        self.acks_logs = True
        self.answers_beats = True
        self.intervals: dict[str, float] = {}
        self.close_code: int | None = None
        self.on_result: Callable[[m.TaskResult], object] = lambda _result: None
        self._wake = asyncio.Event()
        self._cut = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._server: grpc.aio.Server | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_get("/ws/workers/{worker_id}", self._websocket)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        assert site._server is not None
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
        self._server = grpc.aio.server()
        connect: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(self._grpc)
        service = grpc.method_handlers_generic_handler("taskgate.v1.GatewayService", {"Connect": connect})
        self._server.add_generic_rpc_handlers((service,))
        self.grpc_address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()

    async def stop(self) -> None:
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._server is not None:
            await self._server.stop(0)

    def offer(self, task: str, value: Any = None, **options: Any) -> str:
        """Offer a run as soon as there is room; its id."""
        run_id = f"run-{time.monotonic_ns()}"
        payload = msgspec.Raw(msgspec.json.encode({} if value is None else value))
        self.offers.append(
            m.Task(
                run_id=run_id, tracking_id=run_id, attempt=1, lease_token="secret", capability=task, payload=payload,
                offer_s=self.intervals.get("offer_s", 5.0), **options,
            )
        )  # fmt: skip
        self._wake.set()
        return run_id

    def say(self, message: m.GatewayMessage) -> None:
        assert self.link is not None
        self.link.send(message, time.monotonic())
        self._wake.set()

    def cut(self) -> None:
        """End the present connection without a word."""
        self._cut.set()

    def result_of(self, run_id: str) -> m.TaskResult | None:
        return next((result for result in self.results if result.run_id == run_id), None)

    # ------------------------------------------------------------ transports

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("X-API-Key") != KEY:
            return web.Response(status=401)
        if self.close_code == 503:
            return web.Response(status=503)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        if self.close_code is not None:
            await socket.close(code=self.close_code, message=b"as the test says")
            return socket
        link = self._join(request.match_info["worker_id"])

        async def receive() -> None:
            async for message in socket:
                assert message.type is WSMsgType.TEXT
                self._take(link, decode_worker_frame(message.data))

        async def send() -> None:
            while True:
                for frame in encode_frames(await self._outgoing(link)):
                    await socket.send_str(frame.decode())

        await self._talk(receive(), send())
        if request.transport is not None:
            request.transport.abort()
        with contextlib.suppress(ConnectionError):
            await socket.close(code=WSCloseCode.GOING_AWAY)
        return socket

    async def _grpc(self, frames: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        metadata = dict(context.invocation_metadata() or ())
        if metadata.get("x-api-key") != KEY:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        if self.close_code == 4409:
            await context.abort(grpc.StatusCode.ABORTED, "as the test says")
        link = self._join("")

        async def receive() -> None:
            async for frame in frames:
                self._take(link, protobuf_codec.decode_worker_frame(frame))

        async def send() -> None:
            while True:
                for frame in protobuf_codec.encode_gateway_frames(await self._outgoing(link)):
                    await context.write(frame)

        await self._talk(receive(), send())

    # ------------------------------------------------------------ one connection

    def _join(self, worker_id: str) -> GatewayLink:
        self._cut.clear()
        self.link = GatewayLink(time.monotonic(), worker_id)
        return self.link

    async def _talk(self, *talks: Any) -> None:
        tasks = {asyncio.ensure_future(talk) for talk in (*talks, self._cut.wait())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _outgoing(self, link: GatewayLink) -> list[m.GatewayMessage]:
        while True:
            while self.offers and link.phase == "open" and link.room > 0:
                link.send(self.offers.popleft(), time.monotonic())
            if messages := link.outgoing():
                return messages
            self._wake.clear()
            await self._wake.wait()

    def _take(self, link: GatewayLink, messages: list[m.WorkerMessage]) -> None:
        now = time.monotonic()
        for message in messages:
            for event in link.received(message, now):
                self._answer(link, event, now)
        self._wake.set()

    def _answer(self, link: GatewayLink, event: e.GatewayEvent, now: float) -> None:
        match event:
            case e.Helloed(hello):
                self.hellos.append(hello)
                link.send(m.Welcome(worker_id=hello.worker_id, **self.intervals), now)  # type: ignore[arg-type]
            case e.Accepted(accept):
                self.accepts.append(accept.run_id)
            case e.Refused(refuse):
                self.refusals.append(refuse)
            case e.ResultReceived(result):
                self.results.append(result)
                self.on_result(result)
                if self.acks_results:
                    link.send(m.Ack(run_id=result.run_id, attempt=result.attempt), now)
            case e.LogsReceived(log):
                self._log(link, log, now)
            case e.ProgressReceived(progress):
                self.progress.append(progress)
            case e.BeatReceived(nonce, held):
                self.beats.append(event)
                if self.answers_beats:
                    link.send(m.HeartbeatAck(nonce=nonce, renewed=held), now)
            case e.StoppedReported(stopped):
                self.stopped.append(stopped.run_id)
            case e.Left():
                self.left.append(event)
            case _:
                pass

    def _log(self, link: GatewayLink, log: m.Log, now: float) -> None:
        lines = self.logs.setdefault(f"{log.run_id}/{log.stream}", [])
        lines += [line for line in log.lines if line.seq > len(lines)]
        assert [line.seq for line in lines] == list(range(1, len(lines) + 1)), "a gap in a journal"
        if self.acks_logs:
            link.send(m.LogAck(run_id=log.run_id, attempt=log.attempt, stream=log.stream, seq=log.lines[-1].seq), now)
