"""Schema versions: numbered SQL files, applied in order, each in one transaction with its number.

A crash at any moment leaves the database at exactly one version, and the next start goes on from there.
A database made by a newer taskgate is refused and not touched.
"""

from __future__ import annotations

import re
from importlib.resources.abc import Traversable

import apsw

from taskgate.errors import StoreError
from taskgate.stores.sqlite.failures import is_general, translated

_NAME = re.compile(r"(\d{4})_\w+\.sql")


def version_of(connection: apsw.Connection) -> int:
    """The schema version of an open database, 0 for an empty one."""
    version = connection.pragma("user_version")
    assert isinstance(version, int)
    return version


def migrate(connection: apsw.Connection, folder: Traversable) -> int:
    """Bring the database to the newest version of this folder (`0001_….sql`, `0002_….sql`, …); returns it."""
    steps = _steps(folder)
    newest = len(steps)
    try:
        version = version_of(connection)
        if version > newest:
            raise StoreError(
                f"the database has schema version {version}, this taskgate knows {newest}: start a newer one",
                code="STORE_TOO_NEW",
            )
        for number in range(version + 1, newest + 1):
            _apply(connection, number, steps[number - 1])
    except apsw.Error as error:
        raise translated(error) from error
    return newest


def _apply(connection: apsw.Connection, number: int, step: Traversable) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(step.read_text(encoding="utf-8")).fetchall()
        connection.execute(f"PRAGMA user_version={number}").fetchall()
        connection.execute("COMMIT")
    except apsw.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if is_general(error):
            raise
        raise StoreError(f"migration {step.name} failed: {error}", code="STORE_MIGRATION") from error


def _steps(folder: Traversable) -> list[Traversable]:
    """The migrations in order; a gap or a twin in their numbers is a mistake of ours."""
    found = sorted((entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name)), key=lambda entry: entry.name)
    numbers = [int(entry.name[:4]) for entry in found]
    if numbers != list(range(1, len(found) + 1)):
        raise StoreError(f"migrations are not numbered 1..n: {numbers}", code="STORE_MIGRATION")
    return found
