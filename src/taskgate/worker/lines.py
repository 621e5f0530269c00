"""Cuts a stream of bytes into log lines, whatever the bytes are.

A line ends at a newline, which is not part of it. A longer one than 64 KiB is given in pieces, cut between
characters: the pieces joined are the line (INV-L3). Bytes that are not UTF-8 are shown as `\\xff`.
"""

from __future__ import annotations

from collections.abc import Iterator

LINE_BYTES = 64 << 10


class LineSplitter:
    """Lines of one stream; keeps the unfinished one, never more than `LINE_BYTES` of it."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    @property
    def is_empty(self) -> bool:
        """Whether no line is unfinished."""
        return not self._rest

    def feed(self, chunk: bytes) -> list[str]:
        """The lines completed by `chunk`, and the full pieces of one that is already too long."""
        rest = self._rest + chunk if self._rest else chunk
        lines: list[str] = []
        if b"\n" in chunk:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                if len(line) <= LINE_BYTES:
                    lines += _texts(line)
                else:
                    pieces, last = _pieces(line)
                    lines += [text for piece in (*pieces, last) for text in _texts(piece)]
        if len(rest) > LINE_BYTES:
            pieces, rest = _pieces(rest)
            lines += [text for piece in pieces for text in _texts(piece)]
        self._rest = rest
        return lines

    def flush(self) -> list[str]:
        """The unfinished last line, if there is one."""
        rest, self._rest = self._rest, b""
        return list(_texts(rest)) if rest else []


def _texts(line: bytes) -> Iterator[str]:
    text = line.decode("utf-8", "backslashreplace")
    if len(text) <= LINE_BYTES:
        yield text
    else:  # escapes take more room than the bytes they stand for
        yield from (text[at : at + LINE_BYTES] for at in range(0, len(text), LINE_BYTES))


def _pieces(line: bytes) -> tuple[list[bytes], bytes]:
    """Pieces of a long line that end between characters, and a last one that is not over the limit."""
    pieces: list[bytes] = []
    at = 0
    while len(line) - at > LINE_BYTES:
        end = at + LINE_BYTES
        cut = next((place for place in range(end, end - 4, -1) if line[place] & 0xC0 != 0x80), end)
        pieces.append(line[at:cut])
        at = cut
    return pieces, line[at:]
