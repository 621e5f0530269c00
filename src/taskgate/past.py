"""What remains of what was done: the archive of ended runs and whoever fills it, and the audit log.

A step of the object graph beside the others; nothing that makes runs knows of it. Where there is an archive, it is the
archiver that takes ended runs out of the ledger, and the janitor leaves them alone.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from taskgate import __version__
from taskgate.audit.recording import Audit, AuditReading
from taskgate.clock import Clock
from taskgate.config import Settings
from taskgate.config.fields import describe
from taskgate.history.archiver import Archiver
from taskgate.history.forgetting import DUTY, Forgetting
from taskgate.history.ports import RunArchive
from taskgate.history.reading import History
from taskgate.ids import new_token
from taskgate.lifespan import Part
from taskgate.runs.duty import Duty
from taskgate.stores.archives import open_archive
from taskgate.stores.guarding import Backend
from taskgate.stores.opening import Stores

ALONE = "the only gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """History as callers read it, and what has to be started for it, in order."""

    history: History
    audit: Audit
    reading: AuditReading
    archive: RunArchive | None = None
    archiver: Archiver | None = None
    parts: tuple[Part, ...] = ()
    backends: tuple[Backend, ...] = ()

    async def keep(self, run_ids: Sequence[str]) -> None:
        """See to it that these runs are in the archive, if there is one, before somebody deletes them."""
        if self.archiver is not None:
            await self.archiver.keep(run_ids)


def past_of(settings: Settings, stores: Stores, *, clock: Clock) -> Past:
    """The archive that the settings name, over these stores."""
    archive, opened, backends = open_archive(str(settings.archive.url), database_url=settings.database_url)
    audit, reading = Audit(stores.audit, clock, settings=settings.audit), AuditReading(stores.audit)
    forgetting = _forgetting(settings, stores, clock=clock)
    if archive is None:
        return Past(history=History(None), audit=audit, reading=reading, parts=(audit, *forgetting))
    archiver = Archiver(
        archive,
        stores.ended,
        book=stores.book,
        journal=stores.journal,
        leadership=stores.leadership,
        clock=clock,
        settings=settings.archive,
        keep_ended_s=settings.runs.keep_ended_s,
        name="" if settings.database_url.startswith("postgresql") else ALONE,
    )
    return Past(
        history=History(archive),
        audit=audit,
        reading=reading,
        archive=archive,
        archiver=archiver,
        parts=(audit, *opened, archiver, *forgetting),
        backends=backends,
    )


def _forgetting(settings: Settings, stores: Stores, *, clock: Clock) -> tuple[Part, ...]:
    """Who deletes journals whose time is over, or whose run is gone; nobody where everything is kept for ever."""
    keep_s, runs_kept_s = settings.journal.keep_s, settings.runs.keep_ended_s
    if not (keep_s or runs_kept_s):
        return ()
    name = new_token() if stores.is_shared else ALONE
    duty = Duty(stores.leadership, DUTY, holder=name, term_s=settings.runs.leader_term_s, clock=clock)
    return (Forgetting(stores.journal, stores.book, duty=duty, clock=clock, keep_s=keep_s, runs_kept_s=runs_kept_s),)


async def note_start(past: Past, settings: Settings) -> None:
    """Write down that a gateway starts, with which version, and a fingerprint of its settings (secrets as stars)."""
    text = "\n".join(f"{row.path}={row.text}" for row in describe(settings))
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
    detail = {"version": __version__, "settings": fingerprint}
    await past.audit.note("gateway.start", subject=platform.node(), detail=detail)
