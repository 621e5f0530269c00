"""The link over gRPC: one bidirectional `Connect` for the life of the connection.

Needs the extra `grpc`, which is loaded when the connection is opened. Keepalive is set for workers behind NAT: a
quiet line is probed every 30 s, without work too. The credential travels as metadata.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskgate.errors import Forbidden, RemoteLinkError, TaskgateError, Unauthenticated, Unavailable
from taskgate.wire.messages import GatewayMessage, Welcome, WorkerMessage
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.transport import REPLACED

if TYPE_CHECKING:
    import grpc.aio

METHOD = "/taskgate.v1.GatewayService/Connect"
CONNECT_S = 15.0
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_send_message_length", 4 << 20),
    ("grpc.enable_retries", 0),
)


class GrpcTransport:
    """One stream to `GatewayService.Connect`."""

    def __init__(self, settings: WorkerSettings, worker_id: str) -> None:
        self._settings = settings
        self._worker_id = worker_id
        self._channel: grpc.aio.Channel | None = None
        self._call: Any = None
        self._max_frame_bytes = 1 << 20
        self._encode: Callable[..., list[bytes]]
        self._decode: Callable[[bytes], list[GatewayMessage]]

    async def open(self) -> None:
        grpc = _library()
        from taskgate.wire import protobuf_codec

        self._encode, self._decode = protobuf_codec.encode_worker_frames, protobuf_codec.decode_gateway_frame
        self._channel = channel_for(self._settings)
        metadata = [("x-worker-id", self._worker_id)]
        if self._settings.token:
            metadata.append(("x-api-key", str(self._settings.token)))
        try:
            self._call = self._channel.stream_stream(METHOD)(metadata=metadata)
            await self._call.wait_for_connection()
        except grpc.aio.AioRpcError as error:
            raise _ended(error.code(), error.details()) from error

    async def send(self, messages: Sequence[WorkerMessage]) -> None:
        grpc = _library()
        try:
            for frame in self._encode(messages, max_bytes=self._max_frame_bytes):
                await self._call.write(frame)
        except grpc.aio.AioRpcError as error:
            raise _ended(error.code(), error.details()) from error
        except grpc.aio.UsageError as error:
            raise Unavailable("the stream has ended") from error

    async def receive(self) -> list[GatewayMessage]:
        grpc = _library()
        try:
            frame = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise _ended(error.code(), error.details()) from error
        if not isinstance(frame, bytes):
            raise _ended(await self._call.code(), await self._call.details())
        messages = self._decode(frame)
        for said in messages:
            if isinstance(said, Welcome):
                self._max_frame_bytes = said.max_frame_bytes
        return messages

    async def close(self) -> None:
        if self._call is not None:
            with contextlib.suppress(Exception):
                await self._call.done_writing()
            self._call.cancel()
        if self._channel is not None:
            await self._channel.close()


def channel_for(settings: WorkerSettings) -> grpc.aio.Channel:
    """A channel to the gateway's gRPC door. Unavailable without the extra or with certificates that cannot be read."""
    library = _library()
    if not settings.is_tls:
        plain: grpc.aio.Channel = library.aio.insecure_channel(settings.grpc_address, options=OPTIONS)
        return plain
    roots, chain = _file(settings.ca_file, "ca_file"), _file(settings.cert_file, "cert_file")
    key = _file(settings.key_file, "key_file") or chain
    credentials = library.ssl_channel_credentials(roots, key, chain)
    verified: grpc.aio.Channel = library.aio.secure_channel(settings.grpc_address, credentials, options=OPTIONS)
    return verified


def _file(path: str, name: str) -> bytes | None:
    try:
        return Path(path).read_bytes() if path else None
    except OSError as error:
        raise Unavailable(f"{name} {path!r} cannot be used: {error}") from error


def _library() -> Any:
    try:
        import grpc
        import grpc.aio
    except ImportError as error:
        raise Unavailable("transport grpc needs the extra: pip install 'taskgate[grpc]'") from error
    return grpc


def _ended(code: Any, details: str | None) -> TaskgateError:
    grpc, text = _library(), details or ""
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return Unauthenticated(text or "the gateway does not accept the credential")
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return Forbidden(text or "the credential does not allow to work here; it needs the scope `worker`")
    if code is grpc.StatusCode.ABORTED:
        return RemoteLinkError(text or "another worker took over this name", code=REPLACED)
    return Unavailable(f"the stream ended with {getattr(code, 'name', code)}{f': {text}' if text else ''}")
