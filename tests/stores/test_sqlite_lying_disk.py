"""F19: a disk that fails to write or to sync is never asked again by the same process, and no told commit is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from taskgate.clock import SystemClock
from taskgate.errors import StoreError
from taskgate.runs.run import Run
from taskgate.stores.sqlite.store import SqliteStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.stage import RunStage


class Disk:
    """What the files of the shim do: `failing` names the operation that answers with an error."""

    def __init__(self) -> None:
        self.failing = ""
        self.failure_count = 0

    def check(self, operation: str) -> None:
        if self.failing == operation:
            self.failure_count += 1
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC if operation == "sync" else apsw.SQLITE_IOERR_WRITE)


class ShimFile(apsw.VFSFile):
    """A file on the disk."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def xSync(self, flags: int) -> None:
        self._disk.check("sync")
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.check("write")
        super().xWrite(data, offset)


class Shim(apsw.VFS):
    """The default way to files while a test runs."""

    def __init__(self, disk: Disk) -> None:
        super().__init__("shim", "", makedefault=True)
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> ShimFile:
        return ShimFile(self._disk, name, flags)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    shim = Shim(disk)
    yield disk
    shim.unregister()


@pytest.mark.parametrize("operation", ["sync", "write"])
async def test_f19_after_a_failed_write_nothing_is_written(operation: str, disk: Disk, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, clock=SystemClock())
    await store.start()
    stage = RunStage(ledger=store.ledger, book=store.book, clock=ManualClock())
    told: list[Run] = [await stage.added() for _ in range(20)]
    disk.failing = operation
    with pytest.raises(StoreError) as caught:
        await stage.added()
    assert caught.value.code == "STORE_BROKEN"
    assert disk.failure_count == 1
    disk.failing = ""
    for _ in range(3):
        with pytest.raises(StoreError):
            await stage.added()
    assert store.writer.broken is not None
    assert await stage.book.get([run.id for run in told]) == told
    await store.stop()
    await store.start()
    try:
        assert await stage.book.get([run.id for run in told]) == told
        await stage.added()
    finally:
        await store.stop()
