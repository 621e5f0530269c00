"""Thousands of idle workers in one light process: WebSocket by hand, and the simple protocol.

Each says hello once and a heartbeat every interval that its welcome named, spread evenly over time. `connect`
brings them up, `watch` counts what was said and answered in a number of seconds.
"""

import asyncio
import os
import sys

import uvloop
from answering import answer, commands
from websocket import TEXT, WebSocket, masked

AT_ONCE = 100
URL = os.environ["TASKGATE_URL"]
HELLO = '{{"type":"hello","worker_id":"{name}","capabilities":["idle.noop"],"labels":{{}},"slots":1}}'
BEAT = masked(TEXT, b'{"type":"heartbeat","nonce":"n"}')


class IdleWorker(WebSocket):
    """One connection. `welcomed` ends when the gateway has taken the worker in."""

    def __init__(self, name: str, counts: dict[str, int]) -> None:
        super().__init__(URL, f"/ws/workers/{name}")
        self.name = name
        self.counts = counts

    def opened(self) -> None:
        self.write(masked(TEXT, HELLO.format(name=self.name).encode()))

    def connection_lost(self, error: Exception | None) -> None:
        self.counts["lost"] += 1
        super().connection_lost(error)

    def heard(self, body: bytes) -> None:
        if b'"heartbeat_ack"' in body:
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
        for name in names:
            worker = IdleWorker(name, self.counts)
            await worker.connect()
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
