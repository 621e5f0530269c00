"""Thousands of idle workers in one light process: WebSocket by hand, and the simple protocol.

Each says hello once and a heartbeat every interval that its welcome named, spread evenly over time. `connect`
brings them up, `watch` counts what was said and answered in a number of seconds.
"""

import asyncio
import os
import struct
import sys
from urllib.parse import urlsplit

import uvloop
from answering import answer, commands

AT_ONCE = 100
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
ADDRESS = urlsplit(os.environ["TASKGATE_URL"])
KEY = os.environ["BENCH_WORKER_KEY"]
UPGRADE = (
    "GET /ws/workers/{name} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
HELLO = '{{"type":"hello","worker_id":"{name}","capabilities":["idle.noop"],"labels":{{}},"slots":1}}'
HEARTBEAT = b'{"type":"heartbeat","nonce":"n"}'


def masked(opcode: int, body: bytes) -> bytes:
    """A client's frame under the mask 0, which leaves the bytes as they are."""
    size = (
        struct.pack("!BB", opcode, 0x80 | len(body))
        if len(body) < 126
        else struct.pack("!BBH", opcode, 0xFE, len(body))
    )
    return size + bytes(4) + body


BEAT = masked(TEXT, HEARTBEAT)


class IdleWorker(asyncio.Protocol):
    """One connection. `welcomed` ends when the gateway has taken the worker in."""

    def __init__(self, name: str, counts: dict[str, int]) -> None:
        self.name = name
        self.counts = counts
        self.rest = b""
        self.is_upgraded = False
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.write(UPGRADE.format(name=self.name, host=ADDRESS.netloc, key=KEY).encode())

    def write(self, frame: bytes) -> None:
        self.transport.write(frame)  # type: ignore[attr-defined]

    def connection_lost(self, error: Exception | None) -> None:
        self.counts["lost"] += 1
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
            self.write(masked(TEXT, HELLO.format(name=self.name).encode()))
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
        self.hear(stream[0], stream[at : at + size])
        return True

    def hear(self, opcode: int, body: bytes) -> None:
        if opcode == PING:
            self.write(masked(PONG, body))
        elif opcode == CLOSE:
            self.rest = body
            self.transport.close()
        elif b'"heartbeat_ack"' in body:
            self.counts["acks"] += 1
        elif b'"welcome"' in body and not self.welcomed.done():
            self.welcomed.set_result(None)


class Crowd:
    """All of them, and the one loop that beats for everybody in turn."""

    def __init__(self) -> None:
        self.workers: list[IdleWorker] = []
        self.counts = {"beats": 0, "acks": 0, "lost": 0}
        self.beating: asyncio.Task[None] | None = None

    async def connect(self, count: int, interval_s: float) -> None:
        """Bring up `count` workers, `AT_ONCE` at a time, and begin to beat."""
        names = iter([f"idle-{number:05}" for number in range(count)])
        self.beating = asyncio.ensure_future(self.beat(interval_s))
        await asyncio.gather(*[self.bring_up(names) for _ in range(AT_ONCE)])

    async def bring_up(self, names) -> None:
        loop = asyncio.get_running_loop()
        for name in names:
            _, worker = await loop.create_connection(
                lambda name=name: IdleWorker(name, self.counts), ADDRESS.hostname, ADDRESS.port
            )
            await asyncio.wait_for(worker.welcomed, 30)
            self.workers.append(worker)

    async def beat(self, interval_s: float) -> None:
        """Everybody once per interval, evenly spread."""
        loop, place, owed = asyncio.get_running_loop(), 0, 0.0
        before = loop.time()
        while True:
            await asyncio.sleep(0.02)
            moment = loop.time()
            owed += (moment - before) / interval_s * len(self.workers)
            before = moment
            while owed >= 1 and self.workers:
                owed -= 1
                place = (place + 1) % len(self.workers)
                self.workers[place].write(BEAT)
                self.counts["beats"] += 1

    async def watch(self, seconds: float) -> dict[str, int]:
        """What happened in so many seconds."""
        before = dict(self.counts)
        await asyncio.sleep(seconds)
        return {name: value - before[name] for name, value in self.counts.items()}


async def main() -> None:
    crowd, waiting = Crowd(), commands()
    while (told := await asyncio.to_thread(next, waiting, None)) is not None:
        if told["do"] == "connect":
            try:
                await crowd.connect(told["count"], told["interval_s"])
            except (OSError, TimeoutError) as error:
                sys.exit(f"{type(error).__name__}: {error} (after {len(crowd.workers)} workers)")
            answer(connected=len(crowd.workers), lost=crowd.counts["lost"])
        else:
            answer(**await crowd.watch(told["seconds"]))


uvloop.run(main())
