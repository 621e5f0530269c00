"""One WebSocket by hand, light enough for thousands in a process: the upgrade, and whole frames in both directions."""

import asyncio
import os
import struct
from urllib.parse import urlsplit

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
KEY = os.environ.get("BENCH_WORKER_KEY", "")
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def masked(opcode: int, body: bytes) -> bytes:
    """A client's frame under the mask 0, which leaves the bytes as they are."""
    size = (
        struct.pack("!BB", opcode, 0x80 | len(body))
        if len(body) < 126
        else struct.pack("!BBH", opcode, 0xFE, len(body))
    )
    return size + bytes(4) + body


class WebSocket(asyncio.Protocol):
    """One connection; whoever inherits says what to do when it is `opened` and when a text is `heard`.

    `welcomed` is for them to end; it fails when the connection is refused or lost before.
    """

    def __init__(self, url: str, path: str) -> None:
        self.address = urlsplit(url)
        self.path = path
        self.rest = b""
        self.is_upgraded = False
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        """Until `welcomed` has ended."""
        await asyncio.get_running_loop().create_connection(lambda: self, self.address.hostname, self.address.port)
        await asyncio.wait_for(self.welcomed, 30)

    def opened(self) -> None:
        """The upgrade is done."""

    def heard(self, body: bytes) -> None:
        """A text came."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.write(UPGRADE.format(path=self.path, host=self.address.netloc, key=KEY).encode())

    def write(self, frame: bytes) -> None:
        self.transport.write(frame)  # type: ignore[attr-defined]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.welcomed.done():
            self.welcomed.set_exception(ConnectionError(f"refused: {self.rest[:200]!r}"))

    def data_received(self, chunk: bytes) -> None:
        self.rest += chunk
        if not self.is_upgraded:
            head, end, rest = self.rest.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.transport.close()
                return
            self.is_upgraded, self.rest = True, rest
            self.opened()
        while self.take_frame():
            pass

    def take_frame(self) -> bool:
        """Take one frame off the front; false when it is not whole yet."""
        stream = self.rest
        if len(stream) < 2:
            return False
        size, at = stream[1], 2
        if size >= 126:
            at = 4 if size == 126 else 10
            size = int.from_bytes(stream[2:at], "big")
        if len(stream) < at + size:
            return False
        self.rest = stream[at + size :]
        opcode, body = stream[0], stream[at : at + size]
        if opcode == PING:
            self.write(masked(PONG, body))
        elif opcode == CLOSE:
            self.rest = body
            self.transport.close()
        else:
            self.heard(body)
        return True
