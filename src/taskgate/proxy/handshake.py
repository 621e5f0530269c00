"""uvicorn's WebSocket protocol, which keeps what a caller sends before its handshake was answered.

Such bytes are nobody's business until the application has accepted: fed to the parser at once, whatever is no frame
would break the protocol in the middle of its handshake, with a traceback for every caller who likes to see one.
`caller` is who calls, where the connection's own peer is only its messenger.

An application that can answer a short text without waiting for anything says so through the extension
`taskgate.at_once`. Such a text is answered in the turn of the loop that reads it: no queue, no task, no pause of the
reading. Only what would be the very next message of an application that waits for one comes to it this way, and only
while everything that was written before is on its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from taskgate.proxy.short_frames import Boundary, short_text, text_frame

KEPT_BYTES: Final = 64 << 10
AT_ONCE: Final = "taskgate.at_once"

Answering = Callable[[bytes], Sequence[bytes] | None]  # the texts to say; None leaves the message to `receive`


class PatientSocket(WebSocketsSansIOProtocol):
    """One WebSocket of the application."""

    caller: tuple[str, int] | None = None
    _early = b""
    _answering: Answering | None = None
    _is_awaited = False
    _boundary: Boundary
    _at_once: dict[object, object]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As uvicorn's, with the caller that the front has found out."""
        super().connection_made(transport)
        self._boundary = Boundary()
        self._at_once = dict[object, object]()
        self.client = self.caller or self.client

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's; nobody answers any more."""
        self._answering = None
        self._at_once.clear()  # no cycle is left behind
        super().connection_lost(exc)

    def handle_connect(self, event: Any) -> None:
        """As uvicorn's, with our extension."""
        super().handle_connect(event)
        if not self.handshake_complete:
            self._at_once["answer"] = self._answer_with
            self.scope["extensions"][AT_ONCE] = self._at_once

    def data_received(self, data: bytes) -> None:
        """Bytes of the handshake, or behind it."""
        if not self.handshake_initiated:
            super().data_received(data)
        elif not self.handshake_complete:
            self._early += data
            if len(self._early) > KEPT_BYTES:
                self.transport.pause_reading()
        elif self._answering is None or not self._is_answered(data, self._answering):
            self._boundary.passed(data)
            super().data_received(data)

    async def receive(self) -> Any:
        """What the caller says."""
        self._is_awaited = True
        try:
            return await super().receive()
        finally:
            self._is_awaited = False

    async def send(self, message: Any) -> None:
        """What the application says; its accept lets in what came too early."""
        await super().send(message)
        if self._early and self.handshake_complete:
            early, self._early = self._early, b""
            if not self.transport.is_closing():
                if len(early) > KEPT_BYTES:
                    self.transport.resume_reading()
                self.data_received(early)

    def _answer_with(self, answering: Answering) -> None:
        self._answering = answering

    def _is_answered(self, data: bytes, answering: Answering) -> bool:
        """Whether this was all that there is to do about these bytes."""
        if not (self._is_awaited and self._boundary.is_here and self.queue.empty() and self.writable.is_set()):
            return False
        if self.conn.state is not State.OPEN:
            return False
        text = short_text(data)
        texts = answering(text) if text is not None else None
        if texts is None:
            return False
        if texts:
            self.transport.write(b"".join(map(text_frame, texts)))
        return True
