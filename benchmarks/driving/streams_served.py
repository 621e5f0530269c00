"""An upstream of streams: `/sse` and `/ws` push as fast as they are read, `/paced` 50 events a second with their time.

Every message is written by itself, as an agent's tokens are. Started with the port as its argument.
"""

import asyncio
import base64
import contextlib
import hashlib
import sys
import time

import uvloop

PACE_S = 0.02
FILL = b"x" * 91
EVENT = b"data: " + FILL + b"~\n\n"
FRAME = b"\x82\x64" + b"x" * 99 + b"~"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"
)
pushing: set["Stream"] = set()
paced: set["Stream"] = set()


def chunk(message: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(message), message)


CHUNK = chunk(EVENT)


class Stream(asyncio.Protocol):
    """One connection with one stream."""

    def __init__(self) -> None:
        self.head = b""
        self.is_open = True
        self.message = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, piece: bytes) -> None:
        if self.message:
            return
        self.head += piece
        if b"\r\n\r\n" not in self.head:
            return
        path = self.head.split(b" ", 2)[1]
        if path == b"/ws":
            self.message = FRAME
            self.write(upgraded(self.head))
            pushing.add(self)
        elif path in (b"/sse", b"/paced"):
            self.message = CHUNK
            self.write(HEAD)
            (pushing if path == b"/sse" else paced).add(self)
        else:
            self.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.transport.close()

    def write(self, piece: bytes) -> None:
        if not self.transport.is_closing():  # type: ignore[attr-defined]
            with contextlib.suppress(RuntimeError):  # uvloop has closed it before it says so
                self.transport.write(piece)  # type: ignore[attr-defined]

    def pause_writing(self) -> None:
        self.is_open = False

    def resume_writing(self) -> None:
        self.is_open = True

    def connection_lost(self, error: Exception | None) -> None:
        pushing.discard(self)
        paced.discard(self)


def upgraded(head: bytes) -> bytes:
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
    proof = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n"
    )


async def push() -> None:
    while True:
        for stream in list(pushing):
            if stream.is_open:
                stream.write(stream.message)
        await asyncio.sleep(0 if pushing else 0.01)


async def pace() -> None:
    """Everybody once per interval, in slices, so that the moment of a message is when it was written."""
    while True:
        begun = time.monotonic()
        for number, stream in enumerate(list(paced)):
            stream.write(chunk(b"data: %d~\n\n" % time.monotonic_ns()))
            if number % 25 == 24:
                await asyncio.sleep(0)
        await asyncio.sleep(max(0.001, begun + PACE_S - time.monotonic()))


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Stream, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await asyncio.gather(push(), pace(), server.serve_forever())


uvloop.run(main())
