"""WebSocket frames that are read without a parser: whole, short, final texts, alone in what was received.

Nearly all that an idle crowd says is such a frame. Everything else belongs to the protocol's parser, and while that is
in the middle of a frame, or of a message in parts, nothing else may be taken for a frame: `Boundary` follows the bytes
that the parser is given and knows where they stand. It judges nothing; what breaks the protocol is the parser's to say.
"""

from __future__ import annotations

import struct

SHORT_BYTES = 1024
FINAL = 0x80
WHOLE_TEXT = 0x81
MASKED = 0x80
TWO_BYTES = 126
EIGHT_BYTES = 127
CONTROL = 0x08


def short_text(chunk: bytes) -> bytes | None:
    """What the frame says where `chunk` is one short text of a client, whole and alone; None where it is not."""
    size = len(chunk)
    if not 6 <= size <= SHORT_BYTES or chunk[0] != WHOLE_TEXT:
        return None
    if chunk[1] == MASKED + size - 6 and size < TWO_BYTES + 6:
        return _unmasked(chunk[6:], chunk[2:6])
    if chunk[1] == MASKED + TWO_BYTES and size >= TWO_BYTES + 8 and int.from_bytes(chunk[2:4]) == size - 8:
        return _unmasked(chunk[8:], chunk[4:8])
    return None


def text_frame(text: bytes) -> bytes:
    """A text as a server sends it."""
    size = len(text)
    if size < TWO_BYTES:
        return bytes((WHOLE_TEXT, size)) + text
    if size < 1 << 16:
        return struct.pack("!BBH", WHOLE_TEXT, TWO_BYTES, size) + text
    return struct.pack("!BBQ", WHOLE_TEXT, EIGHT_BYTES, size) + text


class Boundary:
    """Where a client's bytes stand. `is_here` while the next one begins a frame that continues nothing."""

    __slots__ = ("_head", "_is_parted", "_owed", "is_here")

    def __init__(self) -> None:
        self.is_here = True
        self._head = b""
        self._owed = 0
        self._is_parted = False

    def passed(self, chunk: bytes) -> None:
        """These bytes went to the parser."""
        if self._head:
            chunk, self._head = self._head + chunk, b""
        at, size = self._owed, len(chunk)
        while at < size:
            length = _frame_length(chunk, at)
            if length is None:
                self._head = chunk[at:]
                break
            if not chunk[at] & CONTROL:
                self._is_parted = not chunk[at] & FINAL
            at += length
        self._owed = max(0, at - size)
        self.is_here = not (self._owed or self._head or self._is_parted)


def _unmasked(body: bytes, mask: bytes) -> bytes:
    size = len(body)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(body) ^ int.from_bytes(repeated)).to_bytes(size)


def _frame_length(chunk: bytes, at: int) -> int | None:
    """The bytes of the frame that begins at `at`, head included; None while too little of the head is there."""
    if len(chunk) < at + 2:
        return None
    mask = 4 if chunk[at + 1] & MASKED else 0
    size, more = chunk[at + 1] & 0x7F, 0
    if size >= TWO_BYTES:
        more = 2 if size == TWO_BYTES else 8
        if len(chunk) < at + 2 + more:
            return None
        size = int.from_bytes(chunk[at + 2 : at + 2 + more])
    return 2 + more + mask + size
