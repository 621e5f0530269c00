"""INV-T1, INV-T2: kill -9 before and after a commit; the child's own record of verdicts is the oracle."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import apsw
import pytest

from taskgate.clock import SystemClock
from taskgate.runs.run import Status
from taskgate.stores.sqlite.store import FILE, SqliteStore
from tests.stores.sqlite_load import output_of

KILLS = tuple((point, 3 + 7 * turn) for turn in range(5) for point in ("before_commit", "after_commit"))


async def killed(folder: Path, record: Path, failpoint: str) -> int:
    """Run the load until its failpoint kills it; returns how the process ended."""
    load = (sys.executable, "-m", "tests.stores.sqlite_load", str(folder), str(record), failpoint)
    child = await asyncio.create_subprocess_exec(*load, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(60):
            return await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def told(record: Path, verb: str) -> dict[str, set[str]]:
    """Every verdict of a verb that the child was told, by run."""
    verdicts: dict[str, set[str]] = {}
    for line in record.read_text().splitlines():
        words = line.split()
        if words[:2] == ["told", verb]:
            verdicts.setdefault(words[2], set()).add(words[3])
    return verdicts


def asked(record: Path) -> set[str]:
    """Every run that the child asked anything about."""
    return {line.split()[2] for line in record.read_text().splitlines()}


@pytest.mark.system
async def test_what_was_told_is_there_after_every_kill(tmp_path: Path) -> None:
    folder, record = tmp_path / "store", tmp_path / "record"
    for point, count in KILLS:
        assert await killed(folder, record, f"{point}:{count}") == -signal.SIGKILL
        await check(folder, record)
    adds, applies = told(record, "add"), told(record, "apply")
    assert sum("applied" in verdicts for verdicts in applies.values()) > 100
    # kills after a commit, and only they, leave commits that were never told: asked again they are replays
    assert any("replayed" in verdicts for verdicts in adds.values())
    assert not any("lost" in verdicts for verdicts in applies.values())


async def check(folder: Path, record: Path) -> None:
    """Compare the database with the record."""
    database = apsw.Connection(str(folder / FILE))
    assert database.pragma("integrity_check") == "ok"
    database.close()
    store = SqliteStore(folder, clock=SystemClock())
    await store.start()
    try:
        adds, applies = told(record, "add"), told(record, "apply")
        runs = await store.book.get([*adds])
        assert [run_id for run_id, run in zip(adds, runs, strict=True) if run is None] == []
        ended = {run.id: run for run in runs if run is not None and not run.is_open}
        assert [run_id for run_id in applies if run_id not in ended] == []
        assert {run.status for run in ended.values()} <= {Status.SUCCEEDED}
        assert [run_id for run_id, run in ended.items() if run.output != output_of(run_id)] == []
        total = sum((await store.book.count("site-a")).values())
        assert len(adds) <= total <= len(asked(record))
    finally:
        await store.stop()
