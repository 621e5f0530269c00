"""HTTP/2 by hand: frames as bytes, header blocks without tables, a socket that says what it likes (RFC 9113, 7541)."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PATIENCE_S = 20.0


def frame(kind: int, *, flags: int = 0, stream: int = 0, body: bytes = b"") -> bytes:
    return struct.pack("!I", len(body))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + body


def number(value: int, prefix_bits: int, first: int = 0) -> bytes:
    """An HPACK integer."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def literal(name: bytes, value: bytes, *, first: int = 0x00) -> bytes:
    """A header spelled out; `first` 0x40 puts it into the table."""
    return bytes([first]) + number(len(name), 7) + name + number(len(value), 7) + value


def call(path: str, *more: tuple[str, str]) -> bytes:
    """The header block of a gRPC call."""
    pairs = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "gate"), ("te", "trailers"),
             ("content-type", "application/grpc"), *more]  # fmt: skip
    return b"".join(literal(name.encode(), value.encode()) for name, value in pairs)


class Line:
    """A connection that has said its preface."""

    def __init__(self, port: int, *settings: tuple[int, int]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.is_cut = False
        body = b"".join(struct.pack("!HI", name, value) for name, value in settings)
        self.say(PREFACE + frame(SETTINGS, body=body))

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, sent: bytes) -> bool:
        """Send; False once the other side has cut the connection."""
        try:
            self.socket.sendall(sent)
        except (ConnectionError, TimeoutError):
            self.is_cut = True
        return not self.is_cut

    def hear(self, within_s: float = PATIENCE_S) -> Iterator[tuple[int, int, int, bytes]]:
        """Frames (kind, flags, stream, body) until the end of the connection or of the time."""
        kept, until = b"", time.monotonic() + within_s
        while time.monotonic() < until:
            while len(kept) >= 9 and len(kept) >= 9 + int.from_bytes(kept[:3], "big"):
                size = int.from_bytes(kept[:3], "big")
                yield kept[3], kept[4], int.from_bytes(kept[5:9], "big"), kept[9 : 9 + size]
                kept = kept[9 + size :]
            self.socket.settimeout(max(until - time.monotonic(), 0.01))
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                return
            except ConnectionError:
                piece = b""
            if not piece:
                self.is_cut = True
                return
            kept += piece

    def is_ended(self, within_s: float = PATIENCE_S) -> bool:
        """Whether the other side says GOAWAY or cuts the connection."""
        return any(kind == GOAWAY for kind, *_ in self.hear(within_s)) or self.is_cut

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()
