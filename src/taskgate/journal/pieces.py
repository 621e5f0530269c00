"""Logs that are uploaded in pieces: the pure rule that every store of them applies inside its commit.

A log belongs to one attempt of a run and has a name. It only grows: a piece says at which byte it begins, and what is
stored is at every moment a prefix of what the uploader has (G-10). So a piece that was sent twice, or that overlaps
what is there, is compared with it and adds what is new; other bytes at a place that is taken are refused, and so is a
piece behind a gap. Two uploaders of one log can therefore never mix their bytes: the first at a place wins, and the
other hears of it. A log that was closed never changes.

What one may cost is bounded: its bytes, its pieces, and the logs of one run.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

PIECE_BYTES = 1 << 20
MAX_LOG_BYTES = 1 << 30
MAX_PIECES = 65_536
MAX_LOGS = 64  # of one run, all its attempts together


class LogName(NamedTuple):
    """Which log: of which attempt of which run."""

    run_id: str
    attempt: int
    stream: str


class Piece(Struct, frozen=True, kw_only=True, gc=False):
    """Some bytes of a log from `offset` on, at most `PIECE_BYTES`. `writer` is who may go on when the run has ended."""

    log: LogName
    offset: int
    content: bytes
    writer: str = ""


class RunLog(Struct, frozen=True, kw_only=True, gc=False):
    """A log as it is stored. `sha256` of the whole, in hex, once it is closed."""

    log: LogName
    size_bytes: int = 0
    piece_count: int = 0
    sha256: str = ""
    writer: str = ""

    @property
    def is_closed(self) -> bool:
        return self.sha256 != ""


class Taken(StrEnum):
    """What became of a piece."""

    STORED = "stored"
    REPEATED = "repeated"  # all of it was there
    GAP = "gap"  # it begins behind the end of what is there
    DIFFERS = "differs"  # other bytes are there
    CLOSED = "closed"  # the log was closed before
    FULL = "full"  # the log has as many bytes or pieces as it may have
    TOO_MANY = "too_many"  # the run has as many logs as it may have


def overlap_of(known: RunLog | None, piece: Piece) -> int:
    """How many bytes of the piece lie where bytes are stored already."""
    size = known.size_bytes if known is not None else 0
    return max(min(piece.offset + len(piece.content), size) - piece.offset, 0)


def judge(
    known: RunLog | None, piece: Piece, *, stored: bytes, log_count: int, limit_bytes: int
) -> tuple[Taken, bytes]:
    """What becomes of a piece, and the bytes to append. `stored` are those at the place of its overlap, `log_count` the
    logs of the run."""
    size = known.size_bytes if known is not None else 0
    if piece.offset > size:
        return Taken.GAP, b""
    overlap = len(stored)
    if stored != piece.content[:overlap]:
        return Taken.DIFFERS, b""
    fresh = piece.content[overlap:]
    if not fresh:
        return Taken.REPEATED, b""
    if known is None:
        if log_count >= MAX_LOGS:
            return Taken.TOO_MANY, b""
    elif known.is_closed:
        return Taken.CLOSED, b""
    elif known.piece_count >= MAX_PIECES:
        return Taken.FULL, b""
    if size + len(fresh) > limit_bytes:
        return Taken.FULL, b""
    return Taken.STORED, fresh


def grown(known: RunLog | None, piece: Piece, *, fresh: bytes) -> RunLog:
    """The log with the piece's new bytes behind what is there."""
    log = known or RunLog(log=piece.log, writer=piece.writer)
    return RunLog(
        log=log.log,
        size_bytes=log.size_bytes + len(fresh),
        piece_count=log.piece_count + 1,
        writer=log.writer,
    )
