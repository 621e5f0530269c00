"""From `archive.url` to an archive. Making it does no I/O.

Empty means: beside the ledger. Another server than the ledger's may be away while the gateway starts and serves.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from taskgate.errors import InvalidInput
from taskgate.history.ports import RunArchive
from taskgate.lifespan import Part
from taskgate.secret import masked
from taskgate.stores.guarding import Backend, Guard
from taskgate.stores.memory.archive import MemoryRunArchive

NONE = "none"


class ArchivePart(RunArchive, Part, Protocol):
    """An archive that is opened and closed."""


class ServedArchive(ArchivePart, Protocol):
    """One on a server."""

    backend: Guard


class Opened(NamedTuple):
    """An archive, what has to be started for it, and the servers behind it."""

    archive: RunArchive | None
    parts: tuple[Part, ...] = ()
    backends: tuple[Backend, ...] = ()


def open_archive(url: str, *, database_url: str) -> Opened:
    """The archive of these URLs, None where there is none. InvalidInput for an unknown scheme."""
    chosen = url or database_url
    if chosen == NONE:
        return Opened(None)
    if chosen.partition(":")[0] == "memory":
        return Opened(MemoryRunArchive())
    return _on_disk(chosen, database_url)


def _on_disk(url: str, database_url: str) -> Opened:
    archive: ServedArchive
    scheme, _, rest = url.partition(":")
    match scheme:
        case "sqlite":
            from taskgate.stores.sqlite.archive import SqliteRunArchive

            beside = database_url.partition(":")[2] if database_url.startswith("sqlite:") else ""
            embedded: ArchivePart = SqliteRunArchive(Path(rest or beside or "."))
            return Opened(embedded, (embedded,))
        case "postgresql" | "postgresql+asyncpg":
            from taskgate.stores.postgres.archive import PostgresRunArchive

            archive = PostgresRunArchive(url)
        case "mysql" | "mariadb":
            from taskgate.stores.mysql.archive import MysqlRunArchive

            archive = MysqlRunArchive(url)
        case _:
            named = masked(url)[:80]
            raise InvalidInput(f"no archive is named {named!r}", code="UNKNOWN_STORE", extra={"path": "archive.url"})
    return Opened(archive, (archive,), (archive.backend,))
