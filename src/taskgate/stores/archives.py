"""From `archive.url` to an archive. Making it does no I/O.

Empty means: beside the ledger. Another server than the ledger's may be away while the gateway starts and serves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from taskgate.errors import InvalidInput
from taskgate.history.ports import RunArchive
from taskgate.lifespan import Part
from taskgate.secret import masked
from taskgate.stores.memory.archive import MemoryRunArchive

NONE = "none"


class ArchivePart(RunArchive, Part, Protocol):
    """An archive that is opened and closed."""


def open_archive(url: str, *, database_url: str) -> tuple[RunArchive | None, tuple[Part, ...]]:
    """The archive of these URLs, None where there is none, and what has to be started for it.

    InvalidInput for an unknown scheme.
    """
    chosen = url or database_url
    if chosen == NONE:
        return None, ()
    if chosen.partition(":")[0] == "memory":
        return MemoryRunArchive(), ()
    archive = _on_disk(chosen, database_url)
    return archive, (archive,)


def _on_disk(url: str, database_url: str) -> ArchivePart:
    scheme, _, rest = url.partition(":")
    match scheme:
        case "sqlite":
            from taskgate.stores.sqlite.archive import SqliteRunArchive

            beside = database_url.partition(":")[2] if database_url.startswith("sqlite:") else ""
            return SqliteRunArchive(Path(rest or beside or "."))
        case "postgresql" | "postgresql+asyncpg":
            from taskgate.stores.postgres.archive import PostgresRunArchive

            return PostgresRunArchive(url)
        case "mysql" | "mariadb":
            from taskgate.stores.mysql.archive import MysqlRunArchive

            return MysqlRunArchive(url)
    raise InvalidInput(f"no archive is named {masked(url)[:80]!r}", code="UNKNOWN_STORE", extra={"path": "archive.url"})
