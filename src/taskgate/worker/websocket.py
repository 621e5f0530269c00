"""The link over a WebSocket: JSON text frames, several messages in one.

The worker dials out, so it works from behind NAT; certificates are verified. Proxies named in the environment are
used, but never towards this very machine. The credential travels in a header, not in the address.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

import aiohttp

from taskgate.errors import Forbidden, TaskgateError, Unauthenticated, Unavailable
from taskgate.wire.json_codec import decode_gateway_frame, encode_frames
from taskgate.wire.messages import GatewayMessage, Welcome, WorkerMessage
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.transport import closing, said

CONNECT_S = 15.0
MAX_MESSAGE_BYTES = 4 << 20
_LOCAL = ("127.", "::1", "localhost")


class WebSocketTransport:
    """One connection to `/ws/workers/{id}`."""

    def __init__(self, settings: WorkerSettings, worker_id: str) -> None:
        self._settings = settings
        self._url = settings.websocket_url + quote(worker_id, safe="")
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._max_frame_bytes = 1 << 20

    async def open(self) -> None:
        host = urlsplit(self._url).hostname or ""
        connector = aiohttp.TCPConnector(ssl=tls_context(self._settings) if self._settings.is_tls else True)
        self._session = aiohttp.ClientSession(connector=connector, trust_env=not is_local(host))
        headers = {"X-API-Key": str(self._settings.token)} if self._settings.token else {}
        try:
            self._socket = await self._session.ws_connect(
                self._url,
                headers=headers,
                timeout=aiohttp.ClientWSTimeout(ws_close=5.0),
                max_msg_size=MAX_MESSAGE_BYTES,
                autoclose=True,
                decode_text=False,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise _refused(error) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(f"{urlsplit(self._url).netloc}: {said(error)}") from error

    async def send(self, messages: Sequence[WorkerMessage]) -> None:
        assert self._socket is not None
        try:
            for frame in encode_frames(messages, max_bytes=self._max_frame_bytes):
                await self._socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"the connection broke: {said(error)}") from error

    async def receive(self) -> list[GatewayMessage]:
        assert self._socket is not None
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
            messages = decode_gateway_frame(message.data, max_bytes=MAX_MESSAGE_BYTES)
            for spoken in messages:
                if isinstance(spoken, Welcome):
                    self._max_frame_bytes = spoken.max_frame_bytes
            return messages
        if message.type is aiohttp.WSMsgType.CLOSE:
            raise closing(message.data, str(message.extra or ""))
        raise closing(self._socket.close_code, said(message.data) if isinstance(message.data, Exception) else "")

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()


def is_local(host: str) -> bool:
    """Whether this is the very machine, which no proxy stands before."""
    return host.startswith(_LOCAL)


def tls_context(settings: WorkerSettings) -> ssl.SSLContext:
    """Verification by the system's certificates, or by those of `ca_file`, and our own to show where there is one.
    Unavailable when a file cannot be read: it may be there at the next try."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(f"ca_file {settings.ca_file!r} cannot be used: {error}") from error
    try:
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file or None, password=lambda: "-")
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(f"cert_file {settings.cert_file!r} and its key cannot be used: {error}") from error
    return context


def _refused(error: aiohttp.WSServerHandshakeError) -> TaskgateError:
    if error.status == 401:
        return Unauthenticated("the gateway does not accept the credential")
    if error.status == 403:
        return Forbidden("the credential does not allow to work here; it needs the scope `worker`")
    return Unavailable(f"the gateway answered {error.status} {error.message}")
