"""Many light workers in one process: hello, heartbeats, and coming back as a real worker does (full jitter, for ever).

    python -m tests.system.crowd PORT KEY COUNT

It prints `up` when all were welcomed. Whoever loses his connection then waits until a line comes in, so that all of
them come back at the same moment, the worst there is; then it prints one line of JSON: when the last was welcomed
again, the tries that met a gateway, those that met none, and who was asked to come later.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import struct
import sys
import time
from collections import Counter

from taskgate.wire.reconnect import reconnect_delay_s

BEAT_S = 10.0
TEXT, CLOSE = 1, 8


class Crowd:
    """What all members count together."""

    def __init__(self, port: int, key: str, count: int) -> None:
        self.port, self.key, self.count = port, key, count
        self.welcomed = [0] * count
        self.tries = 0
        self.refused = 0
        self.turned_away = 0
        self.denied: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.back_at: list[float] = []
        self.go = asyncio.Event()

    async def run(self) -> None:
        self.go.set()
        members = [asyncio.create_task(self._live(number)) for number in range(self.count)]
        await self._until_welcomed(1)
        self.go.clear()
        self.tries = self.refused = self.turned_away = 0
        self.back_at.clear()
        self.denied.clear()
        self.closed.clear()
        print("up", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        self.go.set()
        await self._until_welcomed(2)
        told = {
            "spread_s": round(max(self.back_at) - min(self.back_at), 3),
            "back_at": max(self.back_at),
            "tries": self.tries,
            "refused": self.refused,
            "turned_away": self.turned_away,
            "denied": self.denied,
            "closed": self.closed,
        }
        print(json.dumps(told), flush=True)
        for member in members:
            member.cancel()
        await asyncio.gather(*members, return_exceptions=True)

    async def _until_welcomed(self, times: int) -> None:
        while min(self.welcomed) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def _live(self, number: int) -> None:
        failed = 0
        while True:
            hint_s, before = 0.0, self.welcomed[number]
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                self.refused += 1
            else:
                self.tries += 1
                hint_s = await self._converse(number, reader, writer)
            await self.go.wait()
            failed = 0 if self.welcomed[number] > before else failed
            await asyncio.sleep(reconnect_delay_s(failed, random.random(), hint_s=hint_s))
            failed += 1

    async def _converse(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        """One connection until it ends; the delay that the gateway asked for."""
        name, hint_s = f"crowd-{number}", 0.0
        head = f"GET /ws/workers/{name} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nX-API-Key: {self.key}\r\n"
        head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        head += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        hello = {"type": "hello", "worker_id": name, "instance": name, "versions": [1], "capabilities": ["echo"]}
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            writer.write(head.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in answer[:20]:
                self.denied[answer[9:12].decode()] += 1
                return hint_s
            writer.write(_frame(json.dumps(hello).encode()))
            while True:
                try:
                    async with asyncio.timeout(BEAT_S):
                        kind, payload = await _read(reader)
                except TimeoutError:
                    writer.write(_frame(b'{"type":"heartbeat","nonce":"n"}'))
                    continue
                if b'"welcome"' in payload:
                    self.welcomed[number] += 1
                    self.back_at.append(time.monotonic())
                elif b'"drain"' in payload:
                    self.turned_away += b"CROWDED" in payload or b"at once" in payload
                    hint_s = max(hint_s, _delay(payload))
                elif kind == CLOSE:
                    self.closed[payload[2:].decode(errors="replace")] += 1
                    break
        writer.transport.abort()
        return hint_s


def _delay(payload: bytes) -> float:
    said = json.loads(payload)
    return max(float(one.get("delay_s", 0)) for one in (said if isinstance(said, list) else [said]))


def _frame(payload: bytes) -> bytes:
    """A masked text frame; the mask is all zeros, which changes nothing."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    return bytes([0x80 | TEXT]) + length + b"\0\0\0\0" + payload


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", await reader.readexactly(8))
    return first & 0x0F, await reader.readexactly(size)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(Crowd(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])).run())
