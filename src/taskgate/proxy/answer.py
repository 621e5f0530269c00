"""Frames an answer of the application: its head, and each piece of its body. No I/O.

HEAD, 204 and 304 have no body whatever was sent; a length that was named is held to in both directions. Header names
and values that could smuggle a line into the answer raise (S17).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from taskgate.proxy.refusal import CLOSE, status_line

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
CHUNKED = -1
UNTIL_CLOSE = -2


class Framing:
    """How the body of an answer is delimited: `_left` bytes, or chunks, or the end of the connection."""

    __slots__ = ("_has_body", "_left", "keep_alive")

    def __init__(self, left: int, *, has_body: bool, keep_alive: bool) -> None:
        self._left = left
        self._has_body = has_body
        self.keep_alive = keep_alive

    def frame(self, piece: bytes, *, is_last: bool) -> bytes:
        """A piece of the body, as it is written. RuntimeError when the body is not as long as was said."""
        if not self._has_body:
            return b""
        if self._left == CHUNKED:
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
            return framed + b"0\r\n\r\n" if is_last else framed
        if self._left != UNTIL_CLOSE:
            self._left -= len(piece)
            if self._left < 0 or (is_last and self._left):
                raise RuntimeError("the body is not as long as its Content-Length")
        return piece


def frame_answer(
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    *,
    method: str,
    version: str,
    keep_alive: bool,
    defaults: bytes = b"",
) -> tuple[bytes, Framing]:
    """The head of an answer, ready to be written, and how its body is framed."""
    lines = [status_line(status), defaults]
    length: int | None = None
    is_bare = status == 204 or status < 200
    for name, value in headers:
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise RuntimeError("a header of the answer has a character that no header may have")
        name = name.lower()
        if name == b"content-length":
            length = int(value)
            if is_bare:
                continue
        elif name == b"transfer-encoding":
            continue
        elif name == b"connection":
            if b"close" in value.lower():
                keep_alive = False
            continue
        lines += (name, b": ", value, b"\r\n")
    has_body = method != "HEAD" and not is_bare and status != 304
    left = length if length is not None else CHUNKED
    if has_body and length is None:
        if version == "1.0":
            left, keep_alive = UNTIL_CLOSE, False
        else:
            lines.append(b"transfer-encoding: chunked\r\n")
    if not keep_alive:
        lines.append(CLOSE)
    elif version == "1.0":
        lines.append(b"connection: keep-alive\r\n")
    lines.append(b"\r\n")
    return b"".join(lines), Framing(left, has_body=has_body, keep_alive=keep_alive)
