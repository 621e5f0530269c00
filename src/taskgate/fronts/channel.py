"""Frames over a stream: four bytes of length, then one message as MessagePack.

Knows nothing of what is said. A frame above `MAX_FRAME` is a bug of ours and ends the channel.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any, Generic, TypeVar

import msgspec

from taskgate.errors import LocalLinkError, RemoteLinkError

T = TypeVar("T")
MAX_FRAME = 64 << 20
MAX_UNTAKEN = 2 * MAX_FRAME
_encoder = msgspec.msgpack.Encoder()


class Channel(Generic[T]):
    """One end. `received` yields what the other side says, until it is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = msgspec.msgpack.Decoder(said)

    def send(self, message: object) -> None:
        """Queue a message; one to a side that has gone is dropped.

        A side that takes nothing is cut off when too much waits for it: it comes back and is told everything anew.
        """
        frame = _encoder.encode(message)
        if len(frame) > MAX_FRAME:
            raise LocalLinkError(f"a frame of {len(frame)} bytes is above the limit")
        if not self._writer.is_closing():
            self._writer.write(len(frame).to_bytes(4, "big") + frame)
            if self._writer.transport.get_write_buffer_size() > MAX_UNTAKEN:
                self._writer.transport.abort()

    async def drain(self) -> None:
        """Wait until the other side has taken enough."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def received(self) -> AsyncGenerator[T, None]:
        """Messages in order. RemoteLinkError for bytes that are no message."""
        while True:
            try:
                size = int.from_bytes(await self._reader.readexactly(4), "big")
                if size > MAX_FRAME:
                    raise RemoteLinkError(f"a frame of {size} bytes is above the limit")
                frame = await self._reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            try:
                yield self._decoder.decode(frame)
            except msgspec.DecodeError as error:
                raise RemoteLinkError(f"a frame could not be read: {error}") from error

    def close(self) -> None:
        """End the channel; the other side sees the end of the stream."""
        self._writer.close()
