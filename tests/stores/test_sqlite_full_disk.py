"""F17: a full disk is told within a second, reads go on, nothing told is lost, and space mends it without a restart."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import apsw
import pytest

from taskgate.errors import Unavailable
from taskgate.runs.ports import RunFilter
from taskgate.runs.run import Run
from taskgate.stores.sqlite.store import FILE, SqliteStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.stage import RunStage, grant, success

MACHINE_S = 5.0  # what a machine may add that stalls or has other work

pytestmark = pytest.mark.system


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of eight megabytes, three of them taken by a file named `filler`."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system needs root and mount(8)")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"this machine mounts no tmpfs: {mounted.stderr.decode().strip()}")
    (folder / "filler").write_bytes(bytes(3 << 20))
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
async def store(disk: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(disk, clock=ManualClock())
    await store.start()
    yield store
    await store.stop()


@pytest.fixture
def stage(store: SqliteStore) -> RunStage:
    return RunStage(ledger=store.ledger, book=store.book, clock=ManualClock())


async def filled(stage: RunStage) -> list[Run]:
    """Runs that were accepted until the disk was full for good: not even an empty one goes in any more."""
    accepted: list[Run] = []
    codes: list[str] = []
    while len(codes) < 3:
        try:
            accepted.append(await stage.added(input=b"0" if codes else bytes(1500)))
            codes.clear()
        except Unavailable as error:
            codes.append(error.code)
    assert codes == ["STORE_FULL"] * 3
    return accepted


async def test_f17_a_full_disk(disk: Path, store: SqliteStore, stage: RunStage) -> None:
    leased = await stage.offered()
    accepted = await filled(stage)
    assert len(accepted) > 50
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await stage.ledger.apply([success(leased, 1.0)])
    assert time.monotonic() - began < 1.0 + MACHINE_S
    assert await stage.book.get([run.id for run in accepted]) == accepted
    assert await stage.whole(leased) == leased
    assert store.writer.broken is None
    (disk / "filler").unlink()
    async with asyncio.timeout(10):
        while True:
            try:
                await stage.ledger.apply([success(leased, 1.0)])
                break
            except Unavailable:
                await asyncio.sleep(0.05)
    late = stage.run()
    await stage.ledger.add([late], {late.id: grant()})
    await store.stop()
    database = apsw.Connection(str(disk / FILE))
    assert database.pragma("integrity_check") == "ok"
    database.close()
    await store.start()
    found = {run.id for run in await stage.book.find(RunFilter(site_id="site-a", limit=10_000))}
    assert found == {late.id, leased.id, *(run.id for run in accepted)}
