"""A TCP connection that can be stalled in either direction, delayed and reset: a proxy in front of one server.

Bytes that stand still are delivered later, as TCP does; nothing is invented, doubled or left out. With several ports
a new connection goes to the first that answers.
"""

from __future__ import annotations

import asyncio
import contextlib

from tests.system.cluster import free_port

PIECE = 1 << 16


class Wire:
    """One way between two parts of the installation."""

    def __init__(self, *ports: int) -> None:
        self.port = free_port()
        self.delay_s = 0.0
        self._ports = ports
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.up, self.down = asyncio.Event(), asyncio.Event()
        self.heal()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._arrived, "127.0.0.1", self.port)

    def heal(self) -> None:
        """Everything flows again."""
        self.delay_s = 0.0
        self.up.set()
        self.down.set()

    def reset(self) -> None:
        """Cut every connection, at once and without goodbye."""
        for writer in list(self._open):
            writer.transport.abort()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connected(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await self._reached()
        if upstream is None:
            writer.transport.abort()
            return
        ends = {writer, upstream[1]}
        self._open |= ends
        try:
            up = self._pump(reader, upstream[1], flows=self.up)
            down = self._pump(upstream[0], writer, flows=self.down)
            await asyncio.gather(up, down)
        finally:
            self._open -= ends
            for end in ends:
                end.transport.abort()

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self._ports:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, flows: asyncio.Event) -> None:
        """Hand on until one side ends; the other one is cut with it."""
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE):
                await flows.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(piece)
                await writer.drain()
        writer.close()
