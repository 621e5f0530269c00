"""The writer: group commits in which everybody gets a verdict of his own, and what happens when the store fails."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from taskgate.errors import StoreError, Unavailable
from taskgate.stores.sqlite.opening import check_library
from taskgate.stores.sqlite.store import FILE, SqliteStore
from taskgate.testing.clock import ManualClock


def put(connection: apsw.Connection, items: list[str]) -> list[str]:
    """Store names; one that is empty or there already breaks the statement."""
    connection.executemany(
        "INSERT INTO leaders (duty, holder, epoch, expires_at) VALUES (?, 'x', nullif(length(?), 0), 0)",
        [(item, item) for item in items],
    )
    return [item.upper() for item in items]


def names(connection: apsw.Connection, items: list[None]) -> list[set[str]]:
    """Every stored name."""
    found = {str(name) for (name,) in connection.execute("SELECT duty FROM leaders").fetchall()}
    return [found for _ in items]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path, clock=ManualClock())
    await store.start()
    yield store
    await store.stop()


async def stored(store: SqliteStore) -> set[str]:
    return await store.writer.submit(names, None)


# ---------------------------------------------------------------- group commit


async def test_what_queues_up_is_one_commit_and_one_answer_each(store: SqliteStore) -> None:
    before = store.writer.commit_count
    wanted = [f"name-{number}" for number in range(500)]
    assert await asyncio.gather(*(store.writer.submit(put, name) for name in wanted)) == [n.upper() for n in wanted]
    assert store.writer.commit_count - before == 1
    assert await stored(store) == set(wanted)


async def test_a_commit_and_what_waits_for_one_are_bounded(store: SqliteStore) -> None:
    before = store.writer.commit_count
    futures = [store.writer.submit(put, f"name-{number}", weight=500) for number in range(100)]
    with pytest.raises(Unavailable) as caught:
        await store.writer.submit(put, "one too many")
    assert caught.value.code == "STORE_BEHIND"
    await asyncio.gather(*futures)
    assert store.writer.commit_count - before == 34  # three of five hundred are over the limit of 1024
    assert await store.writer.submit(put, "later") == "LATER"


async def test_a_guilty_command_fails_alone(store: SqliteStore) -> None:
    wanted = ["a", "b", "", "c", "a", "d"]
    futures = [store.writer.submit(put, name) for name in wanted]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [outcome if isinstance(outcome, str) else type(outcome) for outcome in outcomes] == [
        "A", "B", StoreError, "C", StoreError, "D",
    ]  # fmt: skip
    assert await stored(store) == {"a", "b", "c", "d"}


async def test_an_error_of_our_own_code_fails_alone_too(store: SqliteStore) -> None:
    def broken(_: apsw.Connection, items: list[str]) -> list[str]:
        raise ZeroDivisionError

    outcomes = await asyncio.gather(
        store.writer.submit(put, "good"), store.writer.submit(broken, "bad"), return_exceptions=True
    )
    assert outcomes[0] == "GOOD"
    assert isinstance(outcomes[1], StoreError)
    assert isinstance(outcomes[1].__cause__, ZeroDivisionError)
    assert await stored(store) == {"good"}


async def test_text_that_cannot_be_stored_fails_alone(store: SqliteStore) -> None:
    outcomes = await asyncio.gather(
        store.writer.submit(put, "\ud800"), store.writer.submit(put, "good"), return_exceptions=True
    )
    assert isinstance(outcomes[0], StoreError)
    assert outcomes[1] == "GOOD"


async def test_a_cancelled_caller_withdraws_nothing(store: SqliteStore) -> None:
    async def ask() -> None:
        await store.writer.submit(put, "cancelled")

    caller = asyncio.create_task(ask())
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await stored(store) == {"cancelled"}


async def test_stopping_commits_what_was_submitted_and_refuses_the_rest(tmp_path: Path, store: SqliteStore) -> None:
    futures = [store.writer.submit(put, f"{number}") for number in range(50)]
    await store.stop()
    assert [future.result() for future in futures] == [f"{number}" for number in range(50)]
    with pytest.raises(StoreError) as caught:
        await store.writer.submit(put, "late")
    assert caught.value.code == "STORE_CLOSED"
    await store.stop()
    await store.start()
    assert len(await stored(store)) == 50


async def test_nobody_is_told_before_the_commit(tmp_path: Path) -> None:
    """INV-T2: while the writer stands before its COMMIT, no answer comes and no reader sees anything."""
    reached, go = threading.Event(), threading.Event()

    def probe(point: str) -> None:
        if point == "before_commit" and armed:
            reached.set()
            go.wait(10)

    armed = False
    store = SqliteStore(tmp_path, clock=ManualClock(), probe=probe)
    await store.start()
    armed = True
    future = store.keyring.revoke("nobody", 1.0), store.leadership.campaign("janitor", "a", duration_s=1)
    tasks = [asyncio.ensure_future(item) for item in future]
    await asyncio.to_thread(reached.wait, 10)
    assert not any(task.done() for task in tasks)
    assert await store.roster.all() == []
    other = apsw.Connection(str(tmp_path / FILE), flags=apsw.SQLITE_OPEN_READONLY)
    assert other.execute("SELECT count(*) FROM leaders").fetchall() == [(0,)]
    go.set()
    assert await asyncio.gather(*tasks) == [False, 1]
    assert other.execute("SELECT count(*) FROM leaders").fetchall() == [(1,)]
    other.close()
    await store.stop()


async def test_the_log_is_moved_into_the_file_and_starts_over(store: SqliteStore, tmp_path: Path) -> None:
    def fill(connection: apsw.Connection, items: list[int]) -> list[None]:
        for item in items:
            connection.execute(
                "INSERT OR REPLACE INTO definitions VALUES (?, randomblob(4000000))", (f"{item % 2}",)
            ).fetchall()
        return [None] * len(items)

    for number in range(30):
        await store.writer.submit(fill, number)
    log = tmp_path / f"{FILE}-wal"
    assert log.stat().st_size < 60_000_000, "30 x 4 MB went through a log that is moved every 16 MB"


# ---------------------------------------------------------------- one owner


async def test_a_second_store_on_the_folder_is_refused(tmp_path: Path, store: SqliteStore) -> None:
    second = SqliteStore(tmp_path, clock=ManualClock())
    with pytest.raises(StoreError, match=f"in use by process {os.getpid()}") as caught:
        await second.start()
    assert caught.value.code == "STORE_IN_USE"
    assert await store.writer.submit(put, "still") == "STILL"
    await store.stop()
    await second.start()
    await second.stop()


async def test_another_process_is_refused_until_this_one_is_dead(tmp_path: Path) -> None:
    load = (sys.executable, "-m", "tests.stores.sqlite_load", str(tmp_path), str(tmp_path / "record"), "")
    child = await asyncio.create_subprocess_exec(*load, stdout=asyncio.subprocess.PIPE)
    store = SqliteStore(tmp_path, clock=ManualClock())
    try:
        assert child.stdout is not None
        async with asyncio.timeout(20):
            assert await child.stdout.readline() == b"ready\n"
        with pytest.raises(StoreError, match=f"process {child.pid}"):
            await store.start()
    finally:
        child.send_signal(signal.SIGKILL)
        await child.wait()
    await store.start()
    await store.stop()


async def test_somebody_elses_lock_is_unavailable_within_a_second(tmp_path: Path, store: SqliteStore) -> None:
    other = apsw.Connection(str(tmp_path / FILE))
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.timeout(1):
        with pytest.raises(Unavailable) as caught:
            await store.writer.submit(put, "a")
    assert caught.value.code == "STORE_BUSY"
    other.execute("ROLLBACK")
    other.close()
    assert await store.writer.submit(put, "a") == "A"


# ---------------------------------------------------------------- what must not be trusted


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.7.17", "2.99.99"])
def test_libraries_with_the_log_bug_are_refused(version: str) -> None:
    with pytest.raises(StoreError, match=version.replace(".", r"\.")) as caught:
        check_library(version)
    assert caught.value.code == "STORE_LIBRARY_TOO_OLD"


@pytest.mark.parametrize("version", ["3.51.3", "3.54.1", "4.0.0", apsw.sqlite_lib_version()])
def test_good_libraries_are_not(version: str) -> None:
    check_library(version)


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is not a database" * 100)
    store = SqliteStore(tmp_path, clock=ManualClock())
    with pytest.raises(StoreError) as caught:
        await store.start()
    assert isinstance(caught.value.__cause__, apsw.NotADBError)
    assert (tmp_path / FILE).read_bytes() == b"this is not a database" * 100


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "folder", clock=ManualClock())
    with pytest.raises(StoreError) as caught:
        await store.start()
    assert caught.value.code == "STORE_UNREACHABLE"


async def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    """INV-A6: inputs of every tenant are in there."""
    store = SqliteStore(tmp_path / "new" / "folder", clock=ManualClock())
    await store.start()
    await store.writer.submit(put, "a")
    try:
        folder = tmp_path / "new" / "folder"
        modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
        assert modes == {"folder": 0o700, **dict.fromkeys((FILE, f"{FILE}-wal", f"{FILE}-shm", f"{FILE}.lock"), 0o600)}
    finally:
        await store.stop()
