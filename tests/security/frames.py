"""WebSocket frames by the byte, right and wrong, and a client that hears what the other end does about them."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from dataclasses import dataclass, field

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80


def frame(
    opcode: int, body: bytes = b"", *, fin: bool = True, bits: int = 0, masked: bool = True, length: int | None = None
) -> bytes:
    """One frame. `bits` are the reserved ones (0x40, 0x20, 0x10), `length` a declared length that may be a lie."""
    size = len(body) if length is None else length
    mark = 0x80 if masked else 0
    head = bytes([(FIN if fin else 0) | bits | opcode])
    if size < 126:
        head += bytes([mark | size])
    elif size < 1 << 16:
        head += bytes([mark | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mark | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + body
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[number % 4] for number, byte in enumerate(body))


def close(code: int | None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


@dataclass(slots=True)
class Said:
    """What came back: whole frames as (opcode, body), and whether the connection was closed."""

    frames: list[tuple[int, bytes]] = field(default_factory=list)
    is_closed: bool = False

    @property
    def close_code(self) -> int:
        """The code of the close frame, 0 without one."""
        bodies = [body for opcode, body in self.frames if opcode == CLOSE]
        return int(struct.unpack("!H", bodies[0][:2])[0]) if bodies and len(bodies[0]) >= 2 else 0


class Socket:
    """A raw WebSocket connection after its handshake; `status` is what the handshake was answered."""

    def __init__(self, port: int, path: str, *, lines: bytes = b"", behind: bytes = b"") -> None:
        self.link = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        self.link.sendall(head.encode() + lines + b"\r\n" + behind)
        answer = b""
        while b"\r\n\r\n" not in answer and (piece := self.link.recv(1 << 16)):
            answer += piece
        self.head, _, self._rest = answer.partition(b"\r\n\r\n")
        self.status = int(self.head.split(b" ")[1]) if self.head else 0

    def send(self, data: bytes) -> None:
        """Send; a connection that the other end has closed already is no error."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.link.sendall(data)

    def hear(self, within_s: float = 5.0, *, count: int = 0) -> Said:
        """Frames until the other end closes, so many have come, or the time is up."""
        said, deadline = Said(), time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            while (found := self._frame()) is not None:
                said.frames.append(found)
            if count and len(said.frames) >= count:
                break
            self.link.settimeout(left)
            try:
                piece = self.link.recv(1 << 16)
            except TimeoutError:
                break
            except ConnectionResetError:
                piece = b""
            if not piece:
                said.is_closed = True
                break
            self._rest += piece
        return said

    def _frame(self) -> tuple[int, bytes] | None:
        data = self._rest
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            size = int.from_bytes(data[2:at], "big")
        if len(data) < at + size:
            return None
        self._rest = data[at + size :]
        return data[0] & 0x0F, data[at : at + size]

    def shut(self) -> None:
        self.link.close()
