"""Ten live readers of one journal, over Server-Sent Events, in one light process.

While it flows they only receive and note the time: what a stream holds is judged afterwards, so that reading
costs the two cores as little as it can. Every reader must get every line, once, in order.
"""

import json
import os
import re
import selectors
import socket
import time
from datetime import datetime
from itertools import pairwise
from urllib.parse import urlsplit

from answering import answer, commands

ADDRESS = urlsplit(os.environ["TASKGATE_URL"])
ASK = (
    "GET /v1/runs/{run}/journal HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nAccept: text/event-stream\r\n"
    "Last-Event-ID: 0\r\nConnection: close\r\n\r\n"
)
PIECE_BYTES = 1 << 20
LAST_CHUNK = b"\r\n0\r\n\r\n"
LINE = re.compile(rb'"line (\d+) of')
NUMBER = re.compile(rb"^id: ?(\d+)\r?$", re.MULTILINE)
END = re.compile(rb"^event: ?(end|result)\r?$", re.MULTILINE)
MOMENT = re.compile(rb'"at": ?"([^"]+)"')


class Reader:
    """One connection, and what it has received."""

    def __init__(self, run: str) -> None:
        self.sock = socket.create_connection((ADDRESS.hostname, ADDRESS.port), timeout=10)
        key = os.environ["TASKGATE_API_KEY"]
        self.sock.sendall(ASK.format(run=run, host=ADDRESS.netloc, key=key).encode())
        self.sock.setblocking(False)
        self.pieces: list[bytes] = []
        self.times: list[float] = []

    def take(self) -> bool:
        """Receive what is there; false at the end of the stream."""
        piece = self.sock.recv(PIECE_BYTES)
        if piece:
            self.pieces.append(piece)
            self.times.append(time.time())
        return bool(piece) and not piece.endswith(LAST_CHUNK)

    def judge(self, count: int) -> dict[str, object]:
        """Whether all lines came once and in order, when the last came, and how far behind the pieces were."""
        head, _, body = b"".join(self.pieces).partition(b"\r\n\r\n")
        stream = unchunked(body) if b"chunked" in head.lower() else body
        numbers = [int(number) for number in NUMBER.findall(stream)]
        lines = [int(number) for number in LINE.findall(stream)]
        lags_s = []
        for piece, at in zip(self.pieces, self.times, strict=True):
            if b'"line ' in piece and (moments := MOMENT.findall(piece)):
                lags_s.append(at - datetime.fromisoformat(moments[-1].decode()).timestamp())
        return {
            "status": head.split(b"\r\n", 1)[0].decode(errors="replace"),
            "is_whole": lines == list(range(1, count + 1)),
            "is_in_order": all(earlier < later for earlier, later in pairwise(numbers)),
            "has_end": bool(END.search(stream)),
            "lines": len(lines),
            "ended_at": self.times[-1] if self.times else 0.0,
            "lags_s": lags_s,
        }


def unchunked(body: bytes) -> bytes:
    """The content of a chunked body (RFC 9112 7.1)."""
    parts, at = [], 0
    while at < len(body):
        end = body.find(b"\r\n", at)
        size = int(body[at:end].split(b";")[0] or b"0", 16) if end > at else 0
        if size == 0:
            break
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


def receive(readers: list[Reader], timeout_s: float) -> None:
    """Until every stream has ended, or the time is up."""
    selector = selectors.DefaultSelector()
    for reader in readers:
        selector.register(reader.sock, selectors.EVENT_READ, reader)
    deadline = time.monotonic() + timeout_s
    while selector.get_map() and time.monotonic() < deadline:
        for key, _ in selector.select(1.0):
            if not key.data.take():
                selector.unregister(key.fileobj)


def main() -> None:
    readers: list[Reader] = []
    for told in commands():
        if told["do"] == "open":
            readers = [Reader(told["run"]) for _ in range(told["readers"])]
            answer(readers=len(readers))
        else:
            receive(readers, told["timeout_s"])
            with open(told["file"], "w", encoding="utf-8") as file:
                json.dump([reader.judge(told["count"]) for reader in readers], file)
            answer(done=True)


main()
