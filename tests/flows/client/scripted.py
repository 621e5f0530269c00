"""A real HTTP server on a real socket that does as a script says: answers, cuts, repeats, falls silent."""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What to send back. `pieces` makes a stream; `is_cut` breaks the connection instead of ending well."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Any = None
    body: bytes | None = None
    pieces: Iterable[bytes] | None = None
    is_cut: bool = False


CUT = Reply(is_cut=True)
Script = Callable[[Asked], Reply]


class ScriptedGateway:
    """Where requests arrive: `asked` remembers all of them, in order."""

    def __init__(self, script: Script, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self._script = script
        owner = self

        class Conversation(socketserver.StreamRequestHandler):
            timeout = 10

            def handle(self) -> None:
                while (asked := read_request(self.rfile)) is not None:
                    owner.asked.append(asked)
                    if not owner.answer(self, asked):
                        return

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                if not isinstance(sys.exception(), OSError):  # a client that leaves is no error here
                    super().handle_error(request, client_address)

        self._server = Server(("127.0.0.1", port), Conversation)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def answer(self, conversation: socketserver.StreamRequestHandler, asked: Asked) -> bool:
        """Send the scripted reply; False when the connection is over."""
        reply = self._script(asked)
        head = f"HTTP/1.1 {reply.status} X\r\n"
        head += "".join(f"{name}: {text}\r\n" for name, text in reply.headers.items())
        if reply.pieces is not None:
            conversation.wfile.write((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
            for piece in reply.pieces:
                conversation.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if not reply.is_cut:
                conversation.wfile.write(b"0\r\n\r\n")
        elif not reply.is_cut:
            body = reply.body if reply.body is not None else json.dumps(reply.content).encode()
            conversation.wfile.write((head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
        if reply.is_cut:
            linger = struct.pack("ii", 1, 0)
            conversation.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return not reply.is_cut

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def read_request(rfile: Any) -> Asked | None:
    """The next request of a connection, None at its end."""
    try:
        first = rfile.readline()
        if not first.strip():
            return None
        method, path, _ = first.decode("latin-1").split(" ", 2)
        headers = {}
        while line := rfile.readline().decode("latin-1").strip():
            name, _, text = line.partition(":")
            headers[name.lower()] = text.strip()
        body = rfile.read(int(headers.get("content-length", "0")))
    except OSError:
        return None
    return Asked(method=method, path=path, headers=headers, body=body)


@contextmanager
def serving(script: Script, port: int = 0) -> Iterator[ScriptedGateway]:
    """A gateway that lives as long as the block."""
    gateway = ScriptedGateway(script, port)
    try:
        yield gateway
    finally:
        gateway.close()


def replies(*given: Reply | Callable[[Asked], Reply]) -> Script:
    """A script that gives these replies one after the other, the last one for ever."""
    left = list(given)
    lock = threading.Lock()

    def script(asked: Asked) -> Reply:
        with lock:
            reply = left.pop(0) if len(left) > 1 else left[0]
        return reply if isinstance(reply, Reply) else reply(asked)

    return script


def event(seq: int, kind: str = "log", **members: Any) -> bytes:
    """A journal entry as the stream carries it."""
    entry = {"seq": seq, "kind": kind, "at": "2026-01-02T03:04:05Z", "text": f"line {seq}", **members}
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps(entry)}\n\n".encode()


def run_content(run_id: str = "run-1", status: str = "queued", **members: Any) -> dict[str, Any]:
    """A run as the gateway tells it."""
    return {"id": run_id, "task": "t", "status": status, "created_at": "2026-01-02T03:04:05Z", **members}


def problem(status: int, code: str, **members: Any) -> Reply:
    """A problem document; `retry_after` becomes the header."""
    headers = {"Content-Type": "application/problem+json"}
    if "retry_after" in members:
        headers["Retry-After"] = str(members.pop("retry_after"))
    content = {"type": "about:blank", "title": "No", "status": status, "code": code, "detail": "no", **members}
    return Reply(status=status, headers=headers, content=content)
