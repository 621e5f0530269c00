"""A served gateway, and workers played by hand at either of its doors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import msgspec
from grpc import aio

from taskgate.config import Settings
from taskgate.edge.settings import GrpcSettings, HttpSettings, LinkSettings
from taskgate.runs.run import Run
from taskgate.runs.settings import RunSettings
from taskgate.secret import Url
from taskgate.server import Server
from taskgate.status import grpc_of_close
from taskgate.stores.settings import DatabaseSettings, RedisSettings
from taskgate.wire import json_codec, protobuf_codec
from taskgate.wire import messages as m
from tests.edge.http.house import ECHO, FREE, House

PATIENCE_S = 20.0
CONNECT = "/taskgate.v1.GatewayService/Connect"


class Wire(Protocol):
    """A connection as a worker sees it."""

    async def say(self, *messages: m.WorkerMessage) -> None: ...

    async def hear(self) -> list[m.GatewayMessage]:
        """The next frame; [] once the connection has ended."""
        ...

    async def status(self) -> int:
        """The gRPC status that the connection ended with, or the one that its close code stands for."""
        ...

    async def close(self) -> None: ...


class WebSocketWire:
    """JSON over `/ws/workers/{id}`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, *messages: m.WorkerMessage) -> None:
        for frame in json_codec.encode_frames(messages):
            await self.socket.send_str(frame.decode())

    async def hear(self) -> list[m.GatewayMessage]:
        message = await self.socket.receive()
        return json_codec.decode_gateway_frame(message.data) if message.type is aiohttp.WSMsgType.TEXT else []

    async def status(self) -> int:
        while await self.hear():
            pass
        return grpc_of_close(self.socket.close_code or 0)

    async def close(self) -> None:
        await self.socket.close()


class GrpcWire:
    """Protobuf over `Connect`."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def say(self, *messages: m.WorkerMessage) -> None:
        for frame in protobuf_codec.encode_worker_frames(messages):
            await self.call.write(frame)

    async def hear(self) -> list[m.GatewayMessage]:
        try:
            frame = await self.call.read()
        except aio.AioRpcError:
            return []
        return protobuf_codec.decode_gateway_frame(frame) if isinstance(frame, bytes) else []

    async def status(self) -> int:
        while await self.hear():
            pass
        return int((await self.call.code()).value[0])

    async def close(self) -> None:
        self.call.cancel()


class Worker:
    """A worker by hand: says what the test says, remembers what it heard."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.heard: list[m.GatewayMessage] = []

    async def hello(self, worker_id: str = "w1", *, credit: int = 10, **more: Any) -> m.Welcome:
        """Say hello, wait for the welcome, give credit."""
        fields: dict[str, Any] = {"instance": "i1", "versions": [1], "capabilities": [ECHO.name]}
        await self.wire.say(m.Hello(worker_id=worker_id, **fields | more))
        welcome: m.Welcome = await self.until(m.Welcome)
        await self.wire.say(m.Ready(credit=credit))
        return welcome

    async def until(self, kind: type[Any], *, fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first message of this kind that fits and was not returned before."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in self.heard:
                    if type(message) is kind and fits(message):
                        self.heard.remove(message)
                        return message
                frame = await self.wire.hear()
                if not frame:
                    raise ConnectionError(f"ended with {await self.wire.status()} before {kind.__name__}")
                self.heard += frame

    async def begin(self) -> m.Task:
        """Take the next offer and accept it."""
        task: m.Task = await self.until(m.Task)
        await self.wire.say(m.Accept(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token))
        return task

    async def finish(self, task: m.Task, output: object = None) -> m.Ack:
        """Report the end of a run; the gateway's answer."""
        await self.wire.say(result_of(task, output))
        ack: m.Ack = await self.until(m.Ack)
        return ack


def receipt_of(task: m.Task) -> m.Receipt:
    return m.Receipt(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token)


def result_of(task: m.Task, output: object = None) -> m.TaskResult:
    return m.TaskResult(
        run_id=task.run_id,
        attempt=task.attempt,
        lease_token=task.lease_token,
        result=msgspec.Raw(msgspec.json.encode(output)),
    )


class Doors:
    """The gateway with both doors open."""

    def __init__(
        self, server: Server, session: aiohttp.ClientSession, channel: aio.Channel, worker_key: str = ""
    ) -> None:
        self.server = server
        self.house = House(server.gateway)
        self.session = session
        self.channel = channel
        self.worker_key = worker_key

    async def dial(self, door: str, worker_id: str = "w1", *, key: str | None = None) -> Worker:
        """A connection through `websocket` or `grpc`."""
        headers = {"x-api-key": self.worker_key if key is None else key}
        if door == "websocket":
            socket = await self.session.ws_connect(f"{self.server.url}/ws/workers/{worker_id}", headers=headers)
            return Worker(WebSocketWire(socket))
        call: Any = self.channel.stream_stream(CONNECT)(metadata=[*headers.items(), ("x-worker-id", worker_id)])
        return Worker(GrpcWire(call))

    async def call(self, method: str, request: bytes, *, metadata: Sequence[tuple[str, str]] | None = None) -> bytes:
        """A unary call of the service."""
        pairs = [("x-api-key", self.worker_key)] if metadata is None else metadata
        unary: Any = self.channel.unary_unary(f"/taskgate.v1.GatewayService/{method}")
        answer: bytes = await unary(request, metadata=pairs, timeout=PATIENCE_S)
        return answer

    async def submit(self, *, site: str = "acme", n: int = 1) -> str:
        """A run of the task that echoes; its id."""
        key = await self.house.key("submit", "read", site=site)
        reply = await self.house.ask("POST", f"/v1/tasks/{ECHO.name}/runs", {"input": {"n": n}}, key=key)
        assert reply.status == 202, reply.body
        return str(reply.told["id"])

    async def run(self, run_id: str) -> Run:
        (run,) = await self.server.gateway.stores.book.get([run_id])
        assert run is not None
        return run

    async def until(self, fits: Callable[[], bool]) -> None:
        """Wait until something is so."""
        for _ in range(int(PATIENCE_S / 0.02)):
            if fits():
                return
            await asyncio.sleep(0.02)
        raise TimeoutError("it did not become so")

    async def run_when(self, run_id: str, fits: Callable[[Run], bool]) -> Run:
        """The run as soon as it fits, or as it is when patience ends."""
        for _ in range(int(PATIENCE_S / 0.02)):
            run = await self.run(run_id)
            if fits(run):
                return run
            await asyncio.sleep(0.02)
        return await self.run(run_id)


@asynccontextmanager
async def open_doors(
    folder: Path,
    *,
    grpc: dict[str, Any] | None = None,
    link: dict[str, Any] | None = None,
    redis_url: str = "",
    database: DatabaseSettings | None = None,
    **runs: Any,
) -> AsyncIterator[Doors]:
    """A whole gateway that listens at both doors, in memory if no database is named; `grpc` and `link` are more
    settings of theirs."""
    settings = Settings(
        data_dir=str(folder),
        http=HttpSettings(port=0),
        grpc=GrpcSettings(port=0, **grpc or {}),
        link=LinkSettings(**link or {}),
        redis=RedisSettings(url=Url(redis_url)),
        database=database or DatabaseSettings(url=Url("memory:")),
        runs=RunSettings(accept_flush_s=0.01, **runs),
    )
    server = Server(settings)
    running = asyncio.create_task(server.run())
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    try:
        async with (
            aiohttp.ClientSession() as session,
            aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
        ):
            doors = Doors(server, session, channel)
            doors.worker_key = await doors.house.key("worker", "serve:*", name="workers")
            await doors.house.define(ECHO, FREE)
            yield doors
    finally:
        server.stop()
        await running
