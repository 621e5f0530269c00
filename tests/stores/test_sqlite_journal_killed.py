"""INV-L1, INV-L2: log lines that were acknowledged survive kill -9, and what was sent again is there once."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import apsw
import pytest

from taskgate.stores.sqlite.journal import FILE, SqliteJournal
from taskgate.testing.journals import everything, seqs
from tests.stores.journal_load import SOURCES, told

KILLS = tuple((point, 3 + 11 * turn) for turn in range(4) for point in ("before_commit", "after_commit"))


async def killed(folder: Path, record: Path, failpoint: str) -> int:
    """Run the writers until their failpoint kills them; returns how the process ended."""
    load = (sys.executable, "-m", "tests.stores.journal_load", str(folder), str(record), failpoint)
    child = await asyncio.create_subprocess_exec(*load, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(60):
            return await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


@pytest.mark.system
async def test_what_was_acknowledged_is_there_after_every_kill(tmp_path: Path) -> None:
    folder, record = tmp_path / "store", tmp_path / "record"
    untold = 0
    for point, count in KILLS:
        assert await killed(folder, record, f"{point}:{count}") == -signal.SIGKILL
        untold += await check(folder, record)
    assert sum(told(record).values()) > 1000
    # Kills after a commit, and only they, leave lines that nobody was told of: sent again they are repeats.
    assert untold > 0


async def check(folder: Path, record: Path) -> int:
    """Compare the journals with the record; returns how many lines are there that nobody was told of."""
    database = apsw.Connection(str(folder / FILE))
    assert database.pragma("integrity_check") == "ok"
    database.close()
    journal = SqliteJournal(folder)
    await journal.start()
    try:
        acknowledged, untold = told(record), 0
        for subject in {subject for subject, _ in SOURCES}:
            found = await everything(journal, subject)
            assert seqs(found) == list(range(1, len(found) + 1))
            for stream in (stream for name, stream in SOURCES if name == subject):
                mine = [entry.text for entry in found if entry.stream == stream]
                assert mine == [f"line {number}" for number in range(1, len(mine) + 1)]
                assert len(mine) >= acknowledged.get((subject, stream), 0)
                untold += len(mine) - acknowledged.get((subject, stream), 0)
        return untold
    finally:
        await journal.stop()
