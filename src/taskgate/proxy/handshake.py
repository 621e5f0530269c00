"""uvicorn's WebSocket protocol, which keeps what a caller sends before its handshake was answered.

Such bytes are nobody's business until the application has accepted: fed to the parser at once, whatever is no frame
would break the protocol in the middle of its handshake, with a traceback for every caller who likes to see one.
`caller` is who calls, where the connection's own peer is only its messenger.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

KEPT_BYTES: Final = 64 << 10


class PatientSocket(WebSocketsSansIOProtocol):
    """One WebSocket of the application."""

    caller: tuple[str, int] | None = None
    _early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As uvicorn's, with the caller that the front has found out."""
        super().connection_made(transport)
        self.client = self.caller or self.client

    def data_received(self, data: bytes) -> None:
        """Bytes of the handshake, or behind it."""
        if self.handshake_initiated and not self.handshake_complete:
            self._early += data
            if len(self._early) > KEPT_BYTES:
                self.transport.pause_reading()
            return
        super().data_received(data)

    async def send(self, message: Any) -> None:
        """What the application says; its accept lets in what came too early."""
        await super().send(message)
        if self._early and self.handshake_complete:
            early, self._early = self._early, b""
            if not self.transport.is_closing():
                if len(early) > KEPT_BYTES:
                    self.transport.resume_reading()
                self.data_received(early)
