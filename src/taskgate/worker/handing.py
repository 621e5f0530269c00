"""A big log on its way out of a task: read in pieces, one at a time, each of them durable before the next is read.

It decides where the next piece begins (where the gateway says that it has everything before) and what the whole's
checksum is. A log that was there in part already, from an earlier call of the same try, is read over and not sent
again. Memory is one piece, however large the log.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from taskgate.errors import Conflict

PIECE_BYTES = 512 << 10
_GAP = "the gateway misses a part of this log that can be read no more"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedLog:
    """A log that is with the gateway, whole and sealed."""

    name: str
    size_bytes: int
    sha256: str


class Hand(Protocol):
    """Gives a piece on and waits until it is durable; returns where the next one begins. With `sha256` it is the last,
    and closes the log at the end of `content`."""

    def __call__(self, name: str, offset: int, *, content: bytes, sha256: str) -> int: ...


def hand_over(source: str | os.PathLike[str] | IO[Any], name: str, *, hand: Hand) -> UploadedLog:
    """Upload everything that the file holds from where it stands. What `hand` raises ends it; the rest may follow in
    another call with the same name and content."""
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as opened:
            return _Handing(opened, name, hand).run()
    return _Handing(source, name, hand).run()


class _Handing:
    def __init__(self, file: IO[Any], name: str, hand: Hand) -> None:
        self._file = file
        self._name = name
        self._hand = hand
        self._digest = hashlib.sha256()
        self._at = 0

    def run(self) -> UploadedLog:
        there = 0  # as far as the gateway has it
        while piece := self._next():
            begins_at = self._at - len(piece)
            if self._at <= there:
                continue
            piece = piece[max(0, there - begins_at) :]
            there = self._given(self._at - len(piece), piece)
        sha256 = self._digest.hexdigest()
        self._hand(self._name, self._at, content=b"", sha256=sha256)
        return UploadedLog(name=self._name, size_bytes=self._at, sha256=sha256)

    def _given(self, offset: int, piece: bytes) -> int:
        there = self._hand(self._name, offset, content=piece, sha256="")
        if there < offset + len(piece):
            raise Conflict(_GAP, code="LOG_GAP", extra={"offset": there})
        return there

    def _next(self) -> bytes:
        """The next piece, counted into the checksum; text as UTF-8."""
        read = self._file.read(PIECE_BYTES)
        piece: bytes = read.encode("utf-8", "backslashreplace") if isinstance(read, str) else bytes(read or b"")
        self._digest.update(piece)
        self._at += len(piece)
        return piece
