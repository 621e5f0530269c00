"""The caller's side of streams: opens many, counts messages or their delays; holds thousands of idle connections.

Told by commands: `stream` (path, count, seconds, is_ws, is_paced), `idle` (path, count) and `leave`. Its address and
its header lines come from the environment: BENCH_ADDRESS (host:port) and BENCH_LINES.
"""

import asyncio
import os
import re
import time

import uvloop
from answering import answer, commands

HOST, _, PORT = os.environ["BENCH_ADDRESS"].partition(":")
LINES = os.environ.get("BENCH_LINES", "").replace("\n", "\r\n").encode()
WS = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)
STAMP = re.compile(rb"data: (\d+)~")
AT_ONCE = 50
STALL_NS = 50_000_000


class Reader(asyncio.Protocol):
    """One connection. `begun` ends with the head of the answer."""

    def __init__(self, request: bytes, *, is_paced: bool) -> None:
        self.request = request
        self.is_paced = is_paced
        self.count = 0
        self.delays: list[int] = []
        self.rest = b""
        self.begun: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.is_gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, piece: bytes) -> None:
        if not self.begun.done():
            self.begun.set_result(piece)
        if not self.is_paced:
            self.count += piece.count(b"~")
            return
        self.rest += piece
        now, end = time.monotonic_ns(), 0
        for found in STAMP.finditer(self.rest):
            self.delays.append(now - int(found[1]))
            end = found.end()
        self.rest = self.rest[end:]

    def connection_lost(self, error: Exception | None) -> None:
        self.is_gone = True
        if not self.begun.done():
            self.begun.set_exception(ConnectionError("closed before an answer"))


def request_of(told) -> bytes:
    more = WS if told.get("is_ws") else b""
    return b"GET " + told["path"].encode() + b" HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n" + LINES + more + b"\r\n"


async def opened(told) -> list[Reader]:
    """Bring them up, some at a time; each must have begun to answer well."""
    loop, readers, wanted = asyncio.get_running_loop(), [], b"101" if told.get("is_ws") else b"200"
    numbers = iter(range(told["count"]))

    async def bring_up() -> None:
        for _ in numbers:
            _, reader = await loop.create_connection(
                lambda: Reader(request_of(told), is_paced=bool(told.get("is_paced"))), HOST, int(PORT)
            )
            head = await asyncio.wait_for(reader.begun, 30)
            if head[9:12] != wanted:
                raise SystemExit(f"answered {head[:60]!r}")
            readers.append(reader)

    await asyncio.gather(*[bring_up() for _ in range(AT_ONCE)])
    return readers


async def stream(told) -> dict:
    readers = await opened(told)
    await asyncio.sleep(0.5)
    for reader in readers:
        reader.count = 0
        reader.delays.clear()
    begun = time.monotonic()
    await asyncio.sleep(told["seconds"])
    elapsed_s = time.monotonic() - begun
    delays = sorted(delay for reader in readers for delay in reader.delays)
    count = sum(reader.count for reader in readers) or len(delays)
    found = {
        "count": count,
        "rate": count / elapsed_s,
        "lost": sum(reader.is_gone for reader in readers),
        "smooth": sum(not reader.is_gone and max(reader.delays, default=STALL_NS) < STALL_NS for reader in readers),
        "stalls": sum(delay >= STALL_NS for delay in delays),
        "p99_ms": delays[int(len(delays) * 0.99)] / 1e6 if delays else 0.0,
        "worst_ms": delays[-1] / 1e6 if delays else 0.0,
    }
    for reader in readers:
        reader.transport.abort()  # type: ignore[attr-defined]
    return found


async def main() -> None:
    waiting, kept = commands(), []
    while (told := await asyncio.to_thread(next, waiting, None)) is not None:
        if told["do"] == "stream":
            answer(**await stream(told))
        elif told["do"] == "idle":
            kept += await opened(told)
            answer(open=sum(not reader.is_gone for reader in kept))
        else:
            for reader in kept:
                reader.transport.abort()  # type: ignore[attr-defined]
            kept.clear()
            answer(open=0)


uvloop.run(main())
