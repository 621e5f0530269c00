"""Results on disk: none lost, none invented, whatever a crash left behind."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import StoreError
from taskgate.wire.messages import TaskResult
from taskgate.worker.spool import COMPACT_BYTES, Spool


def result(number: int, size: int = 10) -> TaskResult:
    return TaskResult(run_id=f"r{number}", attempt=1, lease_token="t", result=msgspec.Raw(b'"' + b"x" * size + b'"'))


def ids(results: list[TaskResult]) -> list[str]:
    return [found.run_id for found in results]


def reopened(folder: Path) -> list[TaskResult]:
    spool = Spool(folder)
    try:
        return spool.load()
    finally:
        spool.close()


def test_what_was_kept_is_there_after_a_crash(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    assert spool.load() == []
    for number in range(3):
        spool.keep(result(number))
    spool.flush()
    spool.forget(("r1", 1))
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "results").write_bytes((tmp_path / "s" / "results").read_bytes())
    assert ids(reopened(copy)) == ["r0", "r1", "r2"], "an acknowledged one may come again, none may be missing"
    assert bytes(reopened(copy)[0].result) == b'"xxxxxxxxxx"'
    spool.close()


def test_what_was_not_written_is_not_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.keep(result(1))
    assert (tmp_path / "results").stat().st_size == 0
    spool.flush()
    assert (tmp_path / "results").stat().st_size > 0
    spool.close()


def test_the_file_is_empty_when_nothing_is_outstanding(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.keep(result(1))
    spool.keep(result(2))
    spool.flush()
    spool.forget(("r1", 1))
    spool.tidy()
    assert (tmp_path / "results").stat().st_size > 0
    spool.forget(("r2", 1))
    spool.tidy()
    assert (tmp_path / "results").stat().st_size == 0
    spool.close()
    assert reopened(tmp_path) == []


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.keep(result(0))
    for number in range(1, 40):
        spool.keep(result(number, 1 << 20))
        spool.flush()
        spool.forget((f"r{number}", 1))
        spool.tidy()
    assert (tmp_path / "results").stat().st_size <= COMPACT_BYTES + (2 << 20)
    spool.keep(result(99))
    spool.flush()
    spool.close()
    found = ids(reopened(tmp_path))
    assert (found[0], found[-1]) == ("r0", "r99")


@given(cut=st.integers(0, 400), flipped=st.none() | st.integers(0, 400))
def test_a_torn_or_rotten_end_costs_only_itself(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flipped: int | None
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder)
    sizes = []
    for number in range(3):
        spool.keep(result(number))
        spool.flush()
        sizes.append((folder / "results").stat().st_size)
    os.close(spool._fd)
    content = bytearray((folder / "results").read_bytes()[:cut])
    if flipped is not None and flipped < len(content):
        content[flipped] ^= 0xFF
    (folder / "results").write_bytes(content)
    whole = sum(size <= min(cut, flipped if flipped is not None else cut) for size in sizes)
    assert ids(reopened(folder)) == ["r0", "r1", "r2"][:whole]
    assert ids(reopened(folder)) == ["r0", "r1", "r2"][:whole], "what was dropped is dropped for good"


def test_two_workers_cannot_share_a_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(StoreError, match="in use by another worker"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_f18_a_full_disk_stops_new_work_and_heals(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    good, full = spool._fd, os.open("/dev/full", os.O_WRONLY)
    spool._fd = full
    spool.keep(result(1))
    spool.flush()
    states = [spool.is_broken]
    spool._fd = good
    spool.tidy()
    assert [*states, spool.is_broken] == [True, False]
    os.close(full)
    spool.close()
    assert ids(reopened(tmp_path)) == ["r1"]


def test_only_its_user_may_read_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "s" / "results").stat().st_mode & 0o777 == 0o600
    spool.close()
