"""What the HTTP door needs of a gateway, and nothing more.

A gateway fits by having these names; the door never builds or keeps one of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from taskgate.access import AccessNotes
from taskgate.audit.recording import Audit, AuditReading
from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.edge.entrance import Entrance
from taskgate.edge.http.metrics import MetricsPage
from taskgate.edge.settings import HttpSettings
from taskgate.fleet.fleet import Fleet
from taskgate.fleet.gateways import Gateways
from taskgate.fleet.ports import Roster
from taskgate.history.reading import History
from taskgate.identity.keys import Keys
from taskgate.identity.settings import AuthSettings
from taskgate.identity.signing import IdentitySigner
from taskgate.journal.allowance import Allowance
from taskgate.journal.entry import Entry
from taskgate.routes.ports import UpstreamHealth
from taskgate.routes.records import CallRecords
from taskgate.routes.registry import Registry
from taskgate.runs.declaring import Declarations
from taskgate.runs.definitions import Definitions
from taskgate.runs.desk import Desk
from taskgate.runs.intake import Intake
from taskgate.runs.standings import Standings
from taskgate.runs.uploading import LogDesk
from taskgate.runs.why import Explainer


class RunEntries(Protocol):
    """The journal of runs as callers read it: it ends with one entry of kind `result`. `has_gone` says, of the moment
    at which a run ended, whether the time of its journal is over."""

    @property
    def has_gone(self) -> Callable[[float], bool]: ...

    async def read(self, run_id: str, after: int, *, limit: int) -> list[Entry]: ...

    def follow(self, run_id: str, after: int) -> AsyncIterator[list[Entry]]:
        """Entries behind `after`, stored ones and then live ones; ends behind the `result` entry."""
        ...


class Watching(Protocol):
    """What tells how a gateway does."""

    @property
    def standings(self) -> Standings: ...

    @property
    def gateways(self) -> Gateways: ...

    @property
    def metrics(self) -> MetricsPage: ...

    @property
    def access(self) -> AccessNotes | None:
        """Who is told of every request, where somebody wants to know."""
        ...

    def backends(self) -> dict[str, str]:
        """The states of breakers, by backend."""
        ...


class Past(Protocol):
    """What is kept for long."""

    @property
    def history(self) -> History:
        """Ended runs."""
        ...

    @property
    def audit(self) -> Audit:
        """Who writes deeds down."""
        ...

    @property
    def reading(self) -> AuditReading:
        """What was written down."""
        ...


class DoorSettings(Protocol):
    """The sections of the settings that this door reads."""

    @property
    def http(self) -> HttpSettings: ...

    @property
    def auth(self) -> AuthSettings: ...


class Doors(Protocol):
    """A gateway as its doors see it. Tenancy is checked by what stands behind these names."""

    @property
    def settings(self) -> DoorSettings: ...

    @property
    def intake(self) -> Intake: ...

    @property
    def desk(self) -> Desk: ...

    @property
    def explainer(self) -> Explainer: ...

    @property
    def definitions(self) -> Definitions: ...

    @property
    def declarations(self) -> Declarations: ...

    @property
    def fleet(self) -> Fleet: ...

    @property
    def roster(self) -> Roster: ...

    @property
    def keys(self) -> Keys: ...

    @property
    def entrance(self) -> Entrance: ...

    @property
    def run_journal(self) -> RunEntries: ...

    @property
    def log_desk(self) -> LogDesk:
        """Logs that are uploaded in pieces."""
        ...

    @property
    def unwritten(self) -> Allowance:
        """How much may wait for the journal."""
        ...

    @property
    def past(self) -> Past: ...

    @property
    def registry(self) -> Registry: ...

    @property
    def upstreams(self) -> UpstreamHealth | None:
        """None while nothing is proxied."""
        ...

    @property
    def signer(self) -> IdentitySigner: ...

    @property
    def calls(self) -> CallRecords:
        """Recorded calls of routes."""
        ...

    @property
    def watch(self) -> Watching: ...

    @property
    def bus(self) -> Bus: ...

    @property
    def clock(self) -> Clock: ...
