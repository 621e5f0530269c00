"""An upstream that keeps every request as it came, byte by byte, and answers with exactly the bytes it was told.

`answers` maps the last part of a path to the raw answer. Threads and blocking sockets: what is sent when is visible in
the code, and nothing of a library stands between the proxy and the record.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an upstream saw. `framing` is `none`, `length` or `chunked`; names as they came."""

    method: str
    target: str
    version: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    framing: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


@dataclass(slots=True)
class Recorder:
    """Listens on `port` until it is closed."""

    answers: dict[str, bytes] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    closing: set[str] = field(default_factory=set)
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=512))
    _links: set[socket.socket] = field(default_factory=set)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for link in (self._listener, *self._links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()

    def seen(self, part: str) -> list[Request]:
        """Requests whose target has this part."""
        return [request for request in self.requests if part in request.target]

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._links.add(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), link, link.makefile("rb") as stream:
            while (request := read_request(stream, link)) is not None:
                self.requests.append(request)
                name = request.target.partition("?")[0].rpartition("/")[2]
                answer = self.answers.get(name, OK)
                link.sendall(_without_body(answer) if request.method == "HEAD" else answer)
                if name in self.closing:
                    return
        self._links.discard(link)


def _without_body(answer: bytes) -> bytes:
    head, end, _ = answer.partition(b"\r\n\r\n")
    return head + end


def read_request(stream: BufferedReader, link: socket.socket) -> Request | None:
    """One request off the stream, None at its end. ValueError where the framing is wrong."""
    line = stream.readline()
    if not line.strip():
        return None
    method, target, version = line.decode("latin-1").rstrip("\r\n").split(" ")
    headers = tuple(_headers(stream))
    told = {name.lower(): value for name, value in headers}
    if told.get("expect", "").lower() == "100-continue":
        link.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    framing, body = "none", b""
    if "transfer-encoding" in told:
        framing, body = "chunked", b"".join(_chunks(stream))
    elif "content-length" in told:
        framing, body = "length", stream.read(int(told["content-length"]))
    return Request(method=method, target=target, version=version, headers=headers, body=body, framing=framing)


def _headers(stream: BufferedReader) -> Iterator[tuple[str, str]]:
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").rstrip("\r\n").partition(":")
        yield name, value.strip(" \t")


def _chunks(stream: BufferedReader) -> Iterator[bytes]:
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    while stream.readline() not in (b"\r\n", b""):
        pass


@contextlib.contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder that listens, closed when the block is left."""
    recorder = Recorder()
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.close()
