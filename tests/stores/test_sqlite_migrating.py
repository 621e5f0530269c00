"""Schema versions: in order, each whole or not at all, and never one that we do not know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from taskgate.errors import StoreError
from taskgate.stores.sqlite.migrating import migrate, version_of
from taskgate.stores.sqlite.opening import open_writer
from taskgate.stores.sqlite.statements import MIGRATIONS
from taskgate.stores.sqlite.store import FILE, SqliteStore
from taskgate.testing.clock import ManualClock

STEPS = {
    "0001_first.sql": "CREATE TABLE one (a); INSERT INTO one VALUES (1);",
    "0002_second.sql": "CREATE TABLE two (a); INSERT INTO two SELECT a + 1 FROM one;",
    "0003_third.sql": "ALTER TABLE two RENAME TO three;",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, text in STEPS.items():
        (folder / name).write_text(text)
    (folder / "README.md").write_text("not a migration")
    return folder


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = open_writer(tmp_path / "some.db")
    yield connection
    connection.close()


def tables(connection: apsw.Connection) -> set[object]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_an_empty_file_gets_every_version(connection: apsw.Connection, folder: Path) -> None:
    assert version_of(connection) == 0
    assert migrate(connection, folder) == 3
    assert (version_of(connection), tables(connection)) == (3, {"one", "three"})
    assert migrate(connection, folder) == 3


def test_an_older_file_goes_on_from_where_it_stands(connection: apsw.Connection, folder: Path) -> None:
    last = folder / "0003_third.sql"
    last.rename(folder / "later")
    assert migrate(connection, folder) == 2
    (folder / "later").rename(last)
    assert migrate(connection, folder) == 3
    assert connection.execute("SELECT a FROM three").fetchall() == [(2,)]


@pytest.mark.parametrize("mistake", ["INSERT INTO two VALUES (9); SELECT no_such()", "CREATE TABLE two (b)", "syntax"])
def test_a_step_that_fails_half_way_leaves_the_version_before(
    connection: apsw.Connection, folder: Path, mistake: str
) -> None:
    (folder / "0003_third.sql").write_text(f"CREATE TABLE begun (a); DROP TABLE one; {mistake};")
    with pytest.raises(StoreError) as caught:
        migrate(connection, folder)
    assert caught.value.code == "STORE_MIGRATION"
    assert isinstance(caught.value.__cause__, apsw.Error)
    assert (version_of(connection), tables(connection)) == (2, {"one", "two"})
    assert connection.execute("SELECT a FROM two").fetchall() == [(2,)]
    (folder / "0003_third.sql").write_text(STEPS["0003_third.sql"])
    assert migrate(connection, folder) == 3


def test_a_crash_between_two_steps_is_gone_on_from(tmp_path: Path, folder: Path) -> None:
    """The file as it is after the first COMMIT, opened by a new process."""
    connection = open_writer(tmp_path / "crashed.db")
    connection.execute("BEGIN IMMEDIATE; " + STEPS["0001_first.sql"] + "PRAGMA user_version=1; COMMIT")
    connection.execute("BEGIN IMMEDIATE; CREATE TABLE two (a)")
    connection.close()
    again = open_writer(tmp_path / "crashed.db")
    assert version_of(again) == 1
    assert migrate(again, folder) == 3
    again.close()


def test_a_newer_file_is_refused_and_left_alone(connection: apsw.Connection, folder: Path) -> None:
    migrate(connection, folder)
    (folder / "0003_third.sql").unlink()
    with pytest.raises(StoreError) as caught:
        migrate(connection, folder)
    assert caught.value.code == "STORE_TOO_NEW"
    assert tables(connection) == {"one", "three"}


@pytest.mark.parametrize("name", ["0005_gap.sql", "0002_twin.sql"])
def test_numbers_without_gap_or_twin(connection: apsw.Connection, folder: Path, name: str) -> None:
    (folder / name).write_text("")
    with pytest.raises(StoreError, match="numbered"):
        migrate(connection, folder)
    assert tables(connection) == set()


async def test_our_own_schema_half_way(tmp_path: Path) -> None:
    """A store that was stopped after its first version starts and has the newest."""
    connection = open_writer(tmp_path / FILE)
    first = min(MIGRATIONS.iterdir(), key=lambda step: step.name)
    connection.execute(f"BEGIN IMMEDIATE; {first.read_text()}; PRAGMA user_version=1; COMMIT")
    connection.close()
    store = SqliteStore(tmp_path, clock=ManualClock())
    await store.start()
    try:
        assert await store.leadership.campaign("janitor", "a", duration_s=1) == 1
        assert await store.book.count("site-a") == {}
    finally:
        await store.stop()
