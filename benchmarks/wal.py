"""Counts the transactions that SQLite has committed to its write-ahead logs, from outside and without a lock.

A log is a header of 32 bytes and frames of 24 bytes and a page; the last frame of each transaction says how large
the database is after it, every other one says 0. Frames of an older round of the log carry other salts.
Source: the file format's section 4.1 (sqlite.org/fileformat2.html#walformat).
"""

from __future__ import annotations

import struct
from pathlib import Path

HEADER_BYTES, FRAME_BYTES = 32, 24
MAGIC = (0x377F0682, 0x377F0683)

Count = dict[str, tuple[bytes, int]]


def commit_counts(folder: Path) -> Count:
    """For every log below the folder: its salts, and how many transactions of these it holds."""
    return {str(file): _commits(file) for file in sorted(folder.rglob("*-wal"))}


def committed_between(before: Count, after: Count) -> int:
    """Transactions between two readings; a log that began anew in between counts from its beginning."""
    total = 0
    for name, (salts, count) in after.items():
        salts_before, count_before = before.get(name, (b"", 0))
        total += count - count_before if salts == salts_before else count
    return total


def _commits(file: Path) -> tuple[bytes, int]:
    with file.open("rb") as log:
        header = log.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or struct.unpack_from("!I", header)[0] not in MAGIC:
            return b"", 0
        page_bytes = struct.unpack_from("!I", header, 8)[0]
        salts, count = header[16:24], 0
        while len(frame := log.read(FRAME_BYTES)) == FRAME_BYTES and frame[8:16] == salts:
            count += struct.unpack_from("!I", frame, 4)[0] != 0
            log.seek(page_bytes, 1)
        return salts, count
