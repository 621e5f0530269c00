"""Schema versions of an archive on MariaDB or MySQL: numbered SQL files, applied in order under a lock.

These servers commit every change of a table by itself, so each statement must be such that it can be done again:
a crash in the middle of a step is mended by the next start. A step that was released is never edited.
"""

from __future__ import annotations

import re
from importlib.resources import files

from pymysql.cursors import Cursor

from taskgate.errors import StoreError, Unavailable
from taskgate.stores.mysql.statements import sql

LOCK = "taskgate_archive"
WAIT_S = 5
_NAME = re.compile(r"(\d{4})_\w+\.sql")


def migrate(cursor: Cursor) -> None:
    """Bring the archive's tables to the newest version; StoreError for one made by a newer taskgate."""
    steps = _steps()
    cursor.execute(sql("migrations_table"))
    version = _version(cursor)
    if version > len(steps):
        raise StoreError(
            f"the archive has schema version {version}, this taskgate knows {len(steps)}: start a newer one",
            code="STORE_TOO_NEW",
        )
    if version == len(steps):
        return
    cursor.execute("SELECT GET_LOCK(%s, %s)", (LOCK, WAIT_S))
    if cursor.fetchall() != ((1,),):
        raise Unavailable("somebody else changes the archive's tables", code="ARCHIVE_BUSY", retry_after_s=1.0)
    try:
        for number in range(_version(cursor) + 1, len(steps) + 1):
            for statement in steps[number - 1].split(";"):
                if statement.strip():
                    cursor.execute(statement)
            cursor.execute("INSERT INTO archive_migrations (number) VALUES (%s)", (number,))
            cursor.connection.commit()
    finally:
        cursor.execute("SELECT RELEASE_LOCK(%s)", (LOCK,))


def _version(cursor: Cursor) -> int:
    cursor.execute("SELECT COALESCE(MAX(number), 0) FROM archive_migrations")
    ((version,),) = cursor.fetchall()
    return int(version)


def _steps() -> list[str]:
    folder = files(__package__) / "migrations"
    found = sorted((entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name)), key=lambda entry: entry.name)
    texts = [entry.read_text(encoding="utf-8") for entry in found]
    return ["\n".join(line.split("--")[0] for line in text.splitlines()) for text in texts]
