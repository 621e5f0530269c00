"""Writing deeds down, in the order that makes them certain.

    begun ──durable──▶ the deed itself ──▶ done | refused | failed ──durable──▶ the answer

So nothing is done that the log does not know of: where it cannot be written, the deed is refused as Unavailable before
it begins. Where only the second entry cannot be written, the deed may have happened: the answer says so, and the log
shows a beginning without an end. A crash in between leaves the same trace.
Attempts without the scope are written too, a few a minute for each credential, so that nobody fills the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from taskgate.audit.chain import Ends
from taskgate.audit.entry import Actor, Deed, Entry, Outcome, storable
from taskgate.audit.ports import AuditFilter, AuditLog
from taskgate.audit.settings import AuditSettings
from taskgate.clock import Clock
from taskgate.errors import TaskgateError, Unavailable
from taskgate.identity.principal import Principal
from taskgate.lifespan import TaskSet

_log = logging.getLogger(__name__)
PURGE_EVERY_S = 3600.0
PURGE_PAGE = 500
MOST_ACTORS = 1000
GATEWAY = Actor(name="gateway", kind="gateway")


class Audit:
    """The audit log of a gateway. Reading it needs the scope `admin`."""

    def __init__(self, log: AuditLog, clock: Clock, *, settings: AuditSettings) -> None:
        self._log = log
        self._clock = clock
        self._settings = settings
        self._denials: dict[str, tuple[float, int]] = {}
        self.tasks = TaskSet()

    async def start(self) -> None:
        if self._settings.keep_s:
            self.tasks.spawn(self._forget(), name="audit retention")

    async def stop(self) -> None:
        await self.tasks.close()

    async def write(self, deed: Deed, outcome: Outcome, *, detail: Mapping[str, Any] | None = None) -> None:
        """Write the deed with this outcome, durably; Unavailable (AUDIT_AWAY) where that is not possible."""
        told = replace(
            deed,
            at=self._clock.now(),
            outcome=outcome,
            actor=replace(deed.actor, id=storable(deed.actor.id), user_id=storable(deed.actor.user_id)),
            subject=storable(deed.subject),
            request_id=storable(deed.request_id),
        )
        if detail is not None:
            told = replace(told, detail=dict(detail))
        try:
            await self._log.append([told])
        except TaskgateError as error:
            what = "nothing was done" if outcome == "begun" else "what was asked may have been done"
            detail_text = f"the audit log cannot be written: {what}"
            raise Unavailable(detail_text, code="AUDIT_AWAY", retry_after_s=2.0) from error

    async def note(self, action: str, *, subject: str = "", detail: Mapping[str, Any] | None = None) -> None:
        """The gateway's own doing."""
        await self.write(
            self.deed(action, Actor(name="gateway", kind="gateway"), subject=subject), "noted", detail=detail
        )

    async def denied(self, deed: Deed) -> None:
        """An attempt without the scope. Best effort, and only so many a minute."""
        now = self._clock.monotonic()
        if len(self._denials) > MOST_ACTORS:
            self._denials.clear()
        began, count = self._denials.get(deed.actor.id, (now, 0))
        suppressed = 0
        if now - began >= 60.0:
            began, suppressed, count = now, max(0, count - self._settings.denied_per_minute), 0
        self._denials[deed.actor.id] = (began, count + 1)
        if count >= self._settings.denied_per_minute:
            return
        try:
            await self.write(deed, "denied", detail={**deed.detail, **({"further": suppressed} if suppressed else {})})
        except Unavailable as error:
            _log.warning("a refused attempt at %s is not in the audit log: %s", deed.action, error)

    def deed(self, action: str, actor: Actor, *, subject: str = "", request_id: str = "") -> Deed:
        """A deed of this moment, before its outcome is known."""
        return Deed(
            at=self._clock.now(), action=action, outcome="begun", actor=actor, subject=subject, request_id=request_id
        )

    async def _forget(self) -> None:
        while True:
            try:
                gone = PURGE_PAGE
                while gone == PURGE_PAGE:
                    gone = await self._log.purge(self._clock.now() - self._settings.keep_s, PURGE_PAGE)
            except TaskgateError as error:
                _log.warning("the audit log keeps what it has: %s", error)
            await asyncio.sleep(PURGE_EVERY_S)


class AuditReading:
    """The reader's side of a log."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def find(self, principal: Principal, wanted: AuditFilter) -> list[Entry]:
        """A page of entries, newest first."""
        principal.require("admin")
        return await self._log.find(wanted)

    async def chain(self, principal: Principal, after: int, *, limit: int) -> list[Entry]:
        """Entries behind a number, oldest first."""
        principal.require("admin")
        return await self._log.chain(after, limit)

    async def ends(self, principal: Principal) -> Ends:
        """Where the log begins and ends."""
        principal.require("admin")
        return await self._log.ends()


def actor_of(principal: Principal, address: str = "") -> Actor:
    """Who acts, as the log tells it."""
    return Actor(
        id=principal.id,
        name=storable(principal.name),
        kind=principal.kind,
        site_id=principal.site_id,
        user_id=principal.user_id,
        address=address,
    )
