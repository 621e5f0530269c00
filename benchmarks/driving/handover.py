"""How long from a submit until a worker has the run in its hands: both ends of it are in this one process.

Simple workers are connected at BENCH_WORKERS_URL, runs are submitted at TASKGATE_URL; each carries the moment at which
it was sent. `connect` (workers), `apart` (count: one at a time, the next when the last is done with and a moment has
passed), `paced` (rate, seconds: by the clock, whatever comes back). Every run must be handed out once.
"""

import asyncio
import json
import os
import re
import time
from urllib.parse import urlsplit

import uvloop
from answering import answer, commands
from websocket import TEXT, WebSocket, masked

TASK = "handover.noop"
WORKERS_URL = os.environ["BENCH_WORKERS_URL"]
ADDRESS = urlsplit(os.environ["TASKGATE_URL"])
CONNECTIONS = 64
PAUSE_S = 0.003
PATIENCE_S = 20.0
HELLO = '{{"type":"hello","worker_id":"{name}","capabilities":["' + TASK + '"],"labels":{{}},"slots":1}}'
BODY = '{{"input":{{"sent":{sent}}}}}'
HEAD = (
    f"POST /v1/tasks/{TASK}/runs HTTP/1.1\r\nHost: {ADDRESS.netloc}\r\nX-API-Key: {os.environ['TASKGATE_API_KEY']}\r\n"
    "Content-Type: application/json\r\nContent-Length: "
)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
now_ns = time.monotonic_ns


class Handed:
    """What the workers were handed: the run's sending moment and how long it took, in ns."""

    def __init__(self) -> None:
        self.took: dict[int, int] = {}
        self.again = 0
        self.news = asyncio.Event()

    def note(self, sent: int) -> None:
        self.again += sent in self.took
        self.took[sent] = now_ns() - sent
        self.news.set()

    async def has(self, count: int) -> None:
        """Until so many are there."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.took) < count:
                self.news.clear()
                await self.news.wait()


class Worker(WebSocket):
    """Answers each run with its own input as soon as it has it."""

    def __init__(self, name: str, handed: Handed) -> None:
        super().__init__(WORKERS_URL, f"/ws/workers/{name}")
        self.name = name
        self.handed = handed

    def opened(self) -> None:
        self.write(masked(TEXT, HELLO.format(name=self.name).encode()))

    def heard(self, body: bytes) -> None:
        frame = json.loads(body)
        if frame["type"] == "task":
            self.handed.note(frame["payload"]["sent"])
            said = {
                "type": "task_result",
                "tracking_id": frame["tracking_id"],
                "status": "ok",
                "result": frame["payload"],
            }
            self.write(masked(TEXT, json.dumps(said).encode()))
        elif frame["type"] == "welcome" and not self.welcomed.done():
            self.welcomed.set_result(None)


class Caller(asyncio.Protocol):
    """One connection that submits, one request at a time."""

    def __init__(self) -> None:
        self.text = b""
        self.done: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def submit(self) -> int:
        """Send one run; the status of the answer."""
        self.done = asyncio.get_running_loop().create_future()
        body = BODY.format(sent=now_ns())
        self.transport.write(f"{HEAD}{len(body)}\r\n\r\n{body}".encode())  # type: ignore[attr-defined]
        return await self.done

    def data_received(self, piece: bytes) -> None:
        self.text += piece
        head, end, body = self.text.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if end and length and len(body) >= int(length[1]) and self.done is not None:
            self.text = b""
            self.done.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(ConnectionError("the gateway closed the connection"))


async def connected() -> Caller:
    _, caller = await asyncio.get_running_loop().create_connection(Caller, ADDRESS.hostname, ADDRESS.port)
    return caller


class Callers:
    """Connections to submit on; as many as are needed at once, up to a limit."""

    def __init__(self) -> None:
        self.free: asyncio.Queue[Caller] = asyncio.Queue()
        self.refused = 0

    async def open(self) -> None:
        for _ in range(CONNECTIONS):
            self.free.put_nowait(await connected())

    async def submit(self) -> None:
        caller = await self.free.get()
        if caller.transport.is_closing():  # it was idle for too long
            caller = await connected()
        self.refused += await caller.submit() != 202
        self.free.put_nowait(caller)

    async def until_known(self) -> None:
        """Until a worker's hello has made the task known where we submit."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                before = self.refused
                await self.submit()
                if self.refused == before:
                    return
                self.refused = before
                await asyncio.sleep(0.05)


def judged(handed: Handed, callers: Callers, count: int) -> dict:
    if callers.refused or handed.again or len(handed.took) != count:
        told = f"{callers.refused} refused, {handed.again} handed out again, {len(handed.took)} handed out"
        raise SystemExit(f"of {count} runs: {told}")
    took = list(handed.took.values())
    handed.took.clear()
    return {"took_ms": [each / 1e6 for each in took]}


async def apart(callers: Callers, handed: Handed, count: int) -> None:
    for number in range(1, count + 1):
        await callers.submit()
        await handed.has(number)
        await asyncio.sleep(PAUSE_S)


async def paced(callers: Callers, handed: Handed, rate: float, seconds: float) -> int:
    """By the clock; the number of runs."""
    begun, count, under_way = time.monotonic(), 0, set()
    while (passed := time.monotonic() - begun) < seconds:
        while count < passed * rate:
            count += 1
            task = asyncio.ensure_future(callers.submit())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.sleep(0.001)
    await asyncio.gather(*under_way)
    await handed.has(count)
    return count


async def main() -> None:
    handed, callers, workers, waiting = Handed(), Callers(), [], commands()
    await callers.open()
    while (told := await asyncio.to_thread(next, waiting, None)) is not None:
        if told["do"] == "connect":
            for number in range(len(workers), told["count"]):
                worker = Worker(f"hand-{number:03}", handed)
                await worker.connect()
                workers.append(worker)
            await callers.until_known()
            await handed.has(1)
            handed.took.clear()
            answer(connected=len(workers))
        elif told["do"] == "apart":
            await apart(callers, handed, told["count"])
            answer(**judged(handed, callers, told["count"]))
        else:
            count = await paced(callers, handed, told["rate"], told["seconds"])
            answer(**judged(handed, callers, count))


uvloop.run(main())
