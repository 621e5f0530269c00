"""A child process that lives to be killed: writers of journals on SQLite, with their own record of what was durable.

`python -m tests.stores.journal_load FOLDER RECORD FAILPOINT`. Every writer begins a little before what an earlier
life was told, as a worker does that sends again. A record line is `SUBJECT STREAM SOURCE_SEQ`, written when told.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from taskgate.stores.sqlite.journal import SqliteJournal
from taskgate.testing.failpoints import probe_of
from taskgate.testing.journals import lines

SOURCES = tuple((f"run-{run}", stream) for run in range(6) for stream in ("stdout", "stderr", "log"))
BATCH = 7
OVERLAP = 5


def told(record: Path) -> dict[tuple[str, str], int]:
    """The highest number that each source was told to be durable."""
    highest: dict[tuple[str, str], int] = {}
    for line in record.read_text().splitlines() if record.exists() else ():
        subject, stream, number = line.split()
        highest[subject, stream] = max(int(number), highest.get((subject, stream), 0))
    return highest


async def talk(journal: SqliteJournal, source: tuple[str, str], *, known: int, record: int) -> None:
    """Write for ever, from a little before what is known to be durable."""
    subject, stream = source
    first = max(1, known - OVERLAP)
    while True:
        verdict = (await journal.append([lines(subject, range(first, first + BATCH), stream=stream)]))[0]
        os.write(record, f"{subject} {stream} {verdict.source_seq}\n".encode())
        first = verdict.source_seq + 1


async def live(folder: Path, record: Path, failpoint: str) -> None:
    known = told(record)
    descriptor = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    journal = SqliteJournal(folder, probe=probe_of(failpoint))
    await journal.start()
    await asyncio.gather(*(talk(journal, source, known=known.get(source, 0), record=descriptor) for source in SOURCES))


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
